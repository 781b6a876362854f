-- Process lives do not stay for ever one by one: those that ended in order long ago, with nothing amiss, become one sum.
-- compatible-from: 0010
CREATE TABLE access_past_lives (
  id       boolean     PRIMARY KEY DEFAULT true CHECK (id),
  lives    bigint      NOT NULL,
  batches  bigint      NOT NULL,
  -- Within which their entries started, or they lived.
  first_at timestamptz NOT NULL,
  last_at  timestamptz NOT NULL,
  -- As in access_checkpoints.
  accounts jsonb       NOT NULL
);

-- Who may read the ledger, for audits, may read what belongs to it.
DO $$
DECLARE
  reader text;
BEGIN
  FOR reader IN
    SELECT DISTINCT g.grantee::regrole::text FROM pg_class c, aclexplode(c.relacl) g
    WHERE c.oid = 'access_ledger'::regclass AND g.privilege_type = 'SELECT' AND g.grantee NOT IN (0, c.relowner)
  LOOP
    EXECUTE format('GRANT SELECT ON access_past_lives TO %s', reader);
  END LOOP;
END $$;
