-- Who may read the ledger, for audits, may read what became of deliveries: an audit proves their books too. Not what was sent.
-- Programs of before run with it.
-- compatible-from: 0010

DO $$
DECLARE
  reader text;
BEGIN
  FOR reader IN
    SELECT DISTINCT g.grantee::regrole::text FROM pg_class c, aclexplode(c.relacl) g
    WHERE c.oid = 'access_ledger'::regclass AND g.privilege_type = 'SELECT' AND g.grantee NOT IN (0, c.relowner)
  LOOP
    EXECUTE format('GRANT SELECT ON deliveries, delivery_work TO %s', reader);
  END LOOP;
END $$;
