-- The ledger does not grow for ever: the oldest batches of an instance, whose rows have expired, become one row.
-- compatible-from: 0010
CREATE TABLE access_checkpoints (
  instance     uuid        PRIMARY KEY,
  -- Batches 1 to this one are summed up here, and are no more in access_ledger.
  last_batch   bigint      NOT NULL CHECK (last_batch > 0),
  -- Of the last of them: what the next one is chained to, and checked against.
  digest       bytea       NOT NULL,
  accepted_seq bigint      NOT NULL,
  buffered     bigint      NOT NULL,
  is_final     boolean     NOT NULL,
  -- Within which their entries started.
  first_at     timestamptz NOT NULL,
  last_at      timestamptz NOT NULL,
  -- {"<tenant>": [accepted, stored, expired, {"<reason>": dropped}]}, '' for requests that could not be attributed.
  accounts     jsonb       NOT NULL,
  folded_at    timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- A batch that is summed up must not be stored a second time, by a segment that comes late out of a copy of a folder, say. Refused as a
-- number that is taken. After the insert: what waited for the deletion of the same key sees the checkpoint only then. With the rights of
-- the owner: whoever may write batches needs none for the checkpoints.
CREATE FUNCTION access_ledger_folded() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
  IF EXISTS (SELECT FROM access_checkpoints c WHERE c.instance = NEW.instance AND c.last_batch >= NEW.batch) THEN
    RAISE EXCEPTION 'batch % of instance % is in a checkpoint', NEW.batch, NEW.instance
      USING ERRCODE = 'unique_violation', CONSTRAINT = 'access_ledger_pkey', TABLE = 'access_ledger';
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER access_ledger_folded AFTER INSERT ON access_ledger
  FOR EACH ROW EXECUTE FUNCTION access_ledger_folded();

-- Those of the batches that are in a checkpoint, which holds nothing that started later than its last entry; the digest of its last.
CREATE FUNCTION access_folded_batches(life uuid, numbers bigint[], starts timestamptz[])
RETURNS TABLE (batch bigint, digest bytea) LANGUAGE sql STABLE SECURITY DEFINER AS $$
  SELECT b.number, CASE WHEN b.number = c.last_batch THEN c.digest END
  FROM access_checkpoints c JOIN unnest($2, $3) AS b (number, last_start)
    ON b.number <= c.last_batch AND (b.last_start IS NULL OR b.last_start <= c.last_at)
  WHERE c.instance = $1
$$;

DO $$
DECLARE
  name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['access_ledger_folded()', 'access_folded_batches(uuid, bigint[], timestamptz[])'] LOOP
    EXECUTE format('ALTER FUNCTION %1$I.%2$s SET search_path = %1$I, pg_temp', current_schema(), name);
  END LOOP;
END $$;

-- Who may read the ledger, for audits, may read what belongs to it.
DO $$
DECLARE
  reader text;
BEGIN
  FOR reader IN
    SELECT DISTINCT g.grantee::regrole::text FROM pg_class c, aclexplode(c.relacl) g
    WHERE c.oid = 'access_ledger'::regclass AND g.privilege_type = 'SELECT' AND g.grantee NOT IN (0, c.relowner)
  LOOP
    EXECUTE format('GRANT SELECT ON access_checkpoints, instance_links, access_log_identity TO %s', reader);
  END LOOP;
END $$;
