-- Tenants and their keys. What must never be undone is enforced here, whatever statement is run by whatever program:
-- a deleted tenant and a revoked key are final, rows are never removed, `version` grows by one with each change.

CREATE TABLE tenants (
  slug              text        PRIMARY KEY CHECK (slug ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
  state             text        NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'suspended', 'deleted')),
  rate_per_second   float8      CHECK (rate_per_second > 0 AND rate_per_second < 'Infinity'),
  rate_burst        integer     CHECK (rate_burst > 0),
  -- {"<route>": {"perSecond": 5, "burst": 10}}: replaces the route's own rate for this tenant.
  route_rate_limits jsonb       NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(route_rate_limits) = 'object'),
  max_concurrency   integer     CHECK (max_concurrency > 0),
  version           bigint      NOT NULL DEFAULT 1,
  created_at        timestamptz NOT NULL DEFAULT now(),
  updated_at        timestamptz NOT NULL DEFAULT now(),
  -- The transaction of the last change: what gateways read since their cursor (directory refresh).
  changed_xid       xid8        NOT NULL DEFAULT pg_current_xact_id(),
  CHECK ((rate_per_second IS NULL) = (rate_burst IS NULL))
);
CREATE INDEX tenants_changed ON tenants (changed_xid);

CREATE TABLE api_keys (
  id              text        PRIMARY KEY CHECK (id ~ '^[0-9a-z]{12}$'),
  -- SHA-256 of the key's text, lower-case hex. The text itself is stored nowhere.
  digest          text        NOT NULL UNIQUE CHECK (digest ~ '^[0-9a-f]{64}$'),
  tenant          text        NOT NULL REFERENCES tenants (slug),
  name            text        CHECK (length(name) <= 200),
  scopes          text[]      NOT NULL,
  allow_networks  cidr[]      NOT NULL DEFAULT '{}',
  rate_per_second float8      CHECK (rate_per_second > 0 AND rate_per_second < 'Infinity'),
  rate_burst      integer     CHECK (rate_burst > 0),
  expires_at      timestamptz,
  revoked_at      timestamptz,
  rotated_to      text        REFERENCES api_keys (id) DEFERRABLE INITIALLY DEFERRED,
  version         bigint      NOT NULL DEFAULT 1,
  created_at      timestamptz NOT NULL DEFAULT now(),
  updated_at      timestamptz NOT NULL DEFAULT now(),
  changed_xid     xid8        NOT NULL DEFAULT pg_current_xact_id(),
  CHECK ((rate_per_second IS NULL) = (rate_burst IS NULL))
);
CREATE INDEX api_keys_tenant ON api_keys (tenant, id);
CREATE INDEX api_keys_changed ON api_keys (changed_xid);

-- Apart from api_keys, so that noting a use is no change of the key: no new version, no notification, and the frequent
-- updates stay within the page (HOT).
CREATE TABLE api_key_uses (
  key_id       text        PRIMARY KEY REFERENCES api_keys (id),
  last_used_at timestamptz NOT NULL
) WITH (fillfactor = 70);

CREATE FUNCTION tenants_guard() RETURNS trigger LANGUAGE plpgsql AS $$
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
    NEW.version := 1;
  END IF;
  NEW.changed_xid := pg_current_xact_id();
  RETURN NEW;
END $$;
CREATE TRIGGER tenants_guard BEFORE INSERT OR UPDATE ON tenants FOR EACH ROW EXECUTE FUNCTION tenants_guard();

CREATE FUNCTION api_keys_guard() RETURNS trigger LANGUAGE plpgsql AS $$
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
    IF tenant_state = 'deleted' THEN
      RAISE EXCEPTION 'tenant % is deleted', NEW.tenant USING ERRCODE = 'WB001';
    END IF;
    NEW.version := 1;
  END IF;
  NEW.changed_xid := pg_current_xact_id();
  RETURN NEW;
END $$;
CREATE TRIGGER api_keys_guard BEFORE INSERT OR UPDATE ON api_keys FOR EACH ROW EXECUTE FUNCTION api_keys_guard();

CREATE FUNCTION tenants_revoke_keys() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE api_keys SET revoked_at = clock_timestamp() WHERE tenant = NEW.slug AND revoked_at IS NULL;
  RETURN NULL;
END $$;
CREATE TRIGGER tenants_revoke_keys AFTER UPDATE OF state ON tenants
  FOR EACH ROW WHEN (NEW.state = 'deleted') EXECUTE FUNCTION tenants_revoke_keys();

-- Gateways learn of changes by `changed_xid`, which a removed row no longer has: it would stay valid until the next
-- reconcile. Access entries name keys and tenants for ever, too.
CREATE FUNCTION directory_forbid_removal() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'rows of % are never removed: delete the tenant or revoke the key', TG_TABLE_NAME
    USING ERRCODE = 'WB003';
END $$;
CREATE TRIGGER tenants_removal BEFORE DELETE OR TRUNCATE ON tenants
  FOR EACH STATEMENT EXECUTE FUNCTION directory_forbid_removal();
CREATE TRIGGER api_keys_removal BEFORE DELETE OR TRUNCATE ON api_keys
  FOR EACH STATEMENT EXECUTE FUNCTION directory_forbid_removal();

-- A hint only, delivered at commit and folded to one per transaction: gateways poll as well.
CREATE FUNCTION directory_notify() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_notify('waybill_directory', '');
  RETURN NULL;
END $$;
CREATE TRIGGER tenants_notify AFTER INSERT OR UPDATE ON tenants
  FOR EACH STATEMENT EXECUTE FUNCTION directory_notify();
CREATE TRIGGER api_keys_notify AFTER INSERT OR UPDATE ON api_keys
  FOR EACH STATEMENT EXECUTE FUNCTION directory_notify();
