-- Requests by minute, tenant, route and status class, derived from access_log by a job that recomputes whole minutes. They
-- outlive the rows: usage of days whose partitions have been dropped is read from here.
CREATE TABLE access_minutes (
  -- Since 1970, UTC.
  minute         bigint   NOT NULL,
  -- '' for none.
  tenant         text     NOT NULL,
  route          text     NOT NULL,
  -- The status' first digit.
  status_class   smallint NOT NULL,
  n              bigint   NOT NULL,
  bytes_received bigint   NOT NULL,
  bytes_sent     bigint   NOT NULL,
  -- Requests by duration, not cumulative; bounds: src/lib/histogram.ts, the last element being "beyond all of them".
  durations      bigint[] NOT NULL,
  PRIMARY KEY (minute, tenant, route, status_class)
);
CREATE INDEX access_minutes_tenant ON access_minutes (tenant, minute);

-- One row: how far the job has come.
CREATE TABLE access_minutes_state (
  id            boolean PRIMARY KEY DEFAULT true CHECK (id),
  -- Every batch that a transaction below it has written is in access_minutes.
  horizon       xid8    NOT NULL DEFAULT '0',
  -- False until the job has caught up for the first time: until then access_minutes is not to be read.
  is_complete   boolean NOT NULL DEFAULT false,
  -- Minutes before this one are final: retention has dropped rows of theirs.
  first_minute  bigint  NOT NULL DEFAULT -9223372036854775808,
  updated_at    timestamptz
);
INSERT INTO access_minutes_state DEFAULT VALUES;

-- Minutes whose rows were changed by something else than a batch: an entry stored from quarantine.
CREATE TABLE access_minutes_stale (
  minute bigint PRIMARY KEY
);
