-- One row per request. Ids and sequence numbers come from the gateway; there is no foreign key (measured: +3.7 µs a row),
-- no trigger (+1.7 µs), no unique index (the ledger does that job) and no DEFAULT partition (it would forbid
-- DETACH CONCURRENTLY). Daily partitions are made ahead by the gateway: access_log_YYYYMMDD, UTC days.
CREATE TABLE access_log (
  id             uuid        NOT NULL,
  started_at     timestamptz NOT NULL,
  tenant         text,
  key_id         text,
  route          text,
  kind           text,
  method         text,
  host           text,
  path           text,
  status         smallint    NOT NULL,
  outcome        text        NOT NULL,
  reason         text,
  bytes_received bigint      NOT NULL,
  bytes_sent     bigint      NOT NULL,
  duration_us    bigint      NOT NULL,
  upstream_us    bigint,
  upstream       text,
  client_ip      inet,
  user_agent     text,
  request_id     text,
  trace_id       text,
  ecosystem      text,
  package        text,
  version        text,
  instance       uuid        NOT NULL,
  seq            bigint      NOT NULL
) PARTITION BY RANGE (started_at);

-- Serves the newest entries of a tenant and its counts per time without touching the heap.
CREATE INDEX access_log_tenant ON access_log (tenant, started_at) INCLUDE (status, duration_us, bytes_sent);
-- Serves time windows over all tenants; costs nothing measurable to keep.
CREATE INDEX access_log_time ON access_log USING brin (started_at);

-- One row per batch, written by the same statement as the batch itself: a batch is in the table exactly when its row is
-- here. A retry after a lost acknowledgement meets the primary key and stores nothing twice.
CREATE TABLE access_ledger (
  instance         uuid        NOT NULL,
  batch            bigint      NOT NULL,
  first_seq        bigint,
  last_seq         bigint,
  entries          integer     NOT NULL,
  bytes            bigint      NOT NULL,
  first_started_at timestamptz,
  last_started_at  timestamptz,
  -- Entries dropped since the previous batch: {"<tenant>": {"<reason>": n}}; null for none.
  dropped          jsonb,
  written_at       timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT access_ledger_pkey PRIMARY KEY (instance, batch)
);
CREATE INDEX access_ledger_written ON access_ledger (written_at);
