-- One row for each process that serves requests from a copy of tenants and keys: what it has applied. Whoever revokes a key
-- waits for these (`waybill keys revoke --wait`). Written when a change was applied and as a sign of life, removed at the end.
-- compatible-from: 0006
CREATE TABLE directory_followers (
  instance   uuid        PRIMARY KEY,
  host       text        NOT NULL,
  process_id integer     NOT NULL,
  -- Boot and process namespace in which process_id means something; '' for unknown.
  machine    text        NOT NULL,
  -- The server, its time line, its life and the tables that were read; '' before the first load.
  origin     text        NOT NULL,
  -- Which transactions the copy holds; NULL before the first load.
  applied    pg_snapshot,
  seen_at    timestamptz NOT NULL,
  -- So long after seen_at the process accepts no key any more, if the database stays away from it.
  max_age_ms bigint      NOT NULL
);
