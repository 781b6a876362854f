-- Lives of gateways are linked, so that one of which nothing is left is missed.
-- compatible-from: 0010
-- Names this log wherever it is: a dump that is restored has the same one, a new database another. What gateways remember
-- beside the database is of one log.
CREATE TABLE access_log_identity (
  id  boolean PRIMARY KEY DEFAULT true CHECK (id),
  log uuid    NOT NULL DEFAULT gen_random_uuid()
);
INSERT INTO access_log_identity DEFAULT VALUES;

-- What one life tells of another that ended before it, or of itself: that this batch had been stored. The witness remembers it
-- from the folder that both kept their state in, or has read it here.
CREATE TABLE instance_links (
  instance uuid        NOT NULL,
  witness  uuid        NOT NULL,
  host     text        NOT NULL,
  -- The last batch that is known to have been stored, its digest, and the entries that were settled, as rows or drops, up to it.
  batch    bigint      NOT NULL,
  digest   bytea       NOT NULL,
  settled  bigint      NOT NULL,
  -- Within which its entries started.
  first_at timestamptz NOT NULL,
  last_at  timestamptz NOT NULL,
  told_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (instance, witness)
);
