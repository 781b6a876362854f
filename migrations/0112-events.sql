-- Events that are sent to receivers, and what of them is still to be sent. Programs of before run with it: they do not look at these tables.
-- compatible-from: 0010

CREATE TABLE events (
  -- Of what happened: gateways that find the same do not tell it twice.
  id   text        PRIMARY KEY CHECK (length(id) BETWEEN 1 AND 300),
  type text        NOT NULL CHECK (length(type) BETWEEN 1 AND 100),
  at   timestamptz NOT NULL DEFAULT now(),
  data jsonb       NOT NULL
);
CREATE INDEX events_at ON events (at, id);

-- A row for each receiver that has not taken the event.
CREATE TABLE event_deliveries (
  event_id text        NOT NULL REFERENCES events (id) ON DELETE CASCADE,
  -- SHA-256 of the receiver's URL: that may hold a secret.
  receiver text        NOT NULL CHECK (receiver ~ '^[0-9a-f]{64}$'),
  attempts integer     NOT NULL DEFAULT 0 CHECK (attempts >= 0),
  -- While a gateway sends it, this is when another may.
  next_at  timestamptz NOT NULL DEFAULT now(),
  -- What the last attempt came to: a status or an error code.
  failure  text        CHECK (length(failure) <= 200),
  -- It is not sent any more, and stays until its event is forgotten.
  given_up_at timestamptz,
  PRIMARY KEY (receiver, event_id)
);
CREATE INDEX event_deliveries_due ON event_deliveries (receiver, next_at) WHERE given_up_at IS NULL;
CREATE INDEX event_deliveries_event ON event_deliveries (event_id);
