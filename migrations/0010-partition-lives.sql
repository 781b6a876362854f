-- How long rows are kept, for all gateways of the database: neither the fastest clock nor the smallest option of a fleet decides.
CREATE TABLE access_log_retention (
  id            boolean     PRIMARY KEY DEFAULT true CHECK (id),
  days          integer     NOT NULL CHECK (days BETWEEN 1 AND 36500),
  -- Set by a command: options of gateways change it no more. Else it is the longest of them so far.
  is_explicit   boolean     NOT NULL DEFAULT false,
  set_by        text        NOT NULL,
  set_at        timestamptz NOT NULL DEFAULT clock_timestamp(),
  -- When the database's clock was looked at last. After a jump of it nothing is dropped for a while.
  clock_seen_at timestamptz,
  held_until    timestamptz
);

-- Each life of a daily partition: made, and dropped by retention, or found gone. What an audit calls expired is covered by a
-- life with `dropped_at`; a batch written in a life that has none, and whose table is not there, has lost its rows.
CREATE TABLE access_log_partitions (
  id             bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  -- access_log_YYYYMMDD
  partition      text        NOT NULL,
  -- Time and transaction both: a clock may step back, and transactions begin anew where a dump is restored.
  made_at        timestamptz NOT NULL DEFAULT clock_timestamp(),
  made_xid       xid8        NOT NULL DEFAULT pg_current_xact_id(),
  -- When retention decided to drop it: from then on its rows are read no more.
  expiring_at    timestamptz,
  dropped_at     timestamptz,
  dropped_xid    xid8,
  -- The gateway, and the role it connected as.
  dropped_by     text,
  retention_days integer,
  -- Rows it had when it was dropped.
  rows           bigint,
  -- By instance: rows; what the ledger has of batches that lie within the day; and of all that touch it.
  instances      jsonb,
  -- When it was found that somebody else had dropped it.
  gone_at        timestamptz,
  CHECK (dropped_at IS NULL OR (dropped_by IS NOT NULL AND retention_days IS NOT NULL AND rows IS NOT NULL AND instances IS NOT NULL))
);
CREATE INDEX access_log_partitions_name ON access_log_partitions (partition, id);

-- Those that are there have been there for as long as anybody knows.
INSERT INTO access_log_partitions (partition, made_at, made_xid)
SELECT c.relname, '-infinity', '0' FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = to_regclass('access_log');

-- What retention dropped before there were rows about it, it dropped before the oldest partition.
INSERT INTO access_log_partitions
  (partition, made_at, made_xid, dropped_at, dropped_xid, dropped_by, retention_days, rows, instances)
SELECT 'access_log_' || to_char(day, 'YYYYMMDD'), '-infinity', '0', now(), pg_current_xact_id(), 'before the first record', 36500, 0, '{}'
FROM (
  SELECT DISTINCT date_trunc('day', t AT TIME ZONE 'UTC') AS day
  FROM access_ledger, LATERAL (VALUES (first_started_at), (last_started_at)) AS v (t) WHERE t IS NOT NULL
) days
WHERE day < (SELECT min(to_date(right(relname, 8), 'YYYYMMDD')) FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
             WHERE i.inhparent = to_regclass('access_log'));
