-- compatible-from: 0010
-- What pg_dump writes runs without a search_path: each trigger function names its own. And rows come back as they were: a revoked
-- key of a deleted tenant is let in, and a row keeps the version that gateways may know.
CREATE OR REPLACE FUNCTION tenants_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'UPDATE' THEN
    IF OLD.state = 'deleted' THEN
      RAISE EXCEPTION 'tenant % is deleted', OLD.slug USING ERRCODE = 'WB001';
    END IF;
    IF NEW.slug <> OLD.slug THEN
      RAISE EXCEPTION 'the slug of tenant % cannot change', OLD.slug USING ERRCODE = 'WB003';
    END IF;
    NEW.version := OLD.version + 1;
    NEW.created_at := OLD.created_at;
    NEW.updated_at := clock_timestamp();
  ELSE
    NEW.version := greatest(1, NEW.version);
  END IF;
  NEW.changed_xid := pg_current_xact_id();
  RETURN NEW;
END $$;

CREATE OR REPLACE FUNCTION api_keys_guard() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  tenant_state text;
BEGIN
  IF TG_OP = 'UPDATE' THEN
    IF OLD.revoked_at IS NOT NULL THEN
      RAISE EXCEPTION 'key % is revoked', OLD.id USING ERRCODE = 'WB002';
    END IF;
    IF (NEW.id, NEW.digest, NEW.tenant) IS DISTINCT FROM (OLD.id, OLD.digest, OLD.tenant) THEN
      RAISE EXCEPTION 'id, digest and tenant of key % cannot change', OLD.id USING ERRCODE = 'WB003';
    END IF;
    NEW.version := OLD.version + 1;
    NEW.created_at := OLD.created_at;
    NEW.updated_at := clock_timestamp();
  ELSE
    -- The row lock waits for, and excludes, a deletion of the tenant under way: no key slips in beside it.
    SELECT state INTO tenant_state FROM tenants WHERE slug = NEW.tenant FOR SHARE;
    IF tenant_state = 'deleted' AND NEW.revoked_at IS NULL THEN
      RAISE EXCEPTION 'tenant % is deleted', NEW.tenant USING ERRCODE = 'WB001';
    END IF;
    NEW.version := greatest(1, NEW.version);
  END IF;
  NEW.changed_xid := pg_current_xact_id();
  RETURN NEW;
END $$;

DO $$
DECLARE
  name text;
BEGIN
  FOREACH name IN ARRAY ARRAY[
    'tenants_guard', 'api_keys_guard', 'tenants_revoke_keys', 'directory_forbid_removal', 'directory_notify']
  LOOP
    EXECUTE format('ALTER FUNCTION %1$I.%2$I() SET search_path = %1$I, pg_temp', current_schema(), name);
  END LOOP;
END $$;
