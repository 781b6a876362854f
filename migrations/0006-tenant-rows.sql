-- What is read on a tenant's behalf is read as waybill_reader, which sees the rows of one tenant only, whatever the query
-- says. The owner of the tables, who writes, is not restricted (no FORCE: COPY FROM would be refused); any other role that
-- writes or reads all tenants needs BYPASSRLS.
ALTER TABLE access_log ENABLE ROW LEVEL SECURITY;
ALTER TABLE access_minutes ENABLE ROW LEVEL SECURITY;
-- Without the setting, or with an empty one, there is no row.
CREATE POLICY access_log_tenant ON access_log FOR SELECT
  USING (tenant = nullif(current_setting('waybill.tenant', true), ''));
CREATE POLICY access_minutes_tenant ON access_minutes FOR SELECT
  USING (tenant = nullif(current_setting('waybill.tenant', true), ''));

-- Roles belong to the whole server: another database may have made it, or be making it. Who may make no roles must still be
-- able to migrate; README, "Roles", has these statements for an administrator.
DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'waybill_reader') THEN
    CREATE ROLE waybill_reader NOLOGIN;
  END IF;
EXCEPTION WHEN insufficient_privilege OR duplicate_object OR unique_violation THEN
  NULL;
END $$;
DO $$
BEGIN
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'waybill_reader') THEN
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO waybill_reader', current_schema());
    -- Nothing on partitions: the policy does not hold there.
    GRANT SELECT ON access_log, access_minutes TO waybill_reader;
  END IF;
END $$;
DO $$
BEGIN
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'waybill_reader') THEN
    GRANT waybill_reader TO CURRENT_USER;
  END IF;
-- internal_error: another database of this server was granting it at the same moment.
EXCEPTION WHEN insufficient_privilege OR internal_error THEN
  NULL;
END $$;
