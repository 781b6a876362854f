-- Rules for packages: what is denied, watched, or let pass as an exception. Gateways learn of changes as of keys: rows are never removed,
-- `version` grows with each change, `changed_xid` tells what is new. Programs of before run with it: they do not look at the table, and
-- name the columns of access_log that they write.
-- compatible-from: 0010

CREATE TABLE rules (
  id          text        PRIMARY KEY CHECK (id ~ '^r[0-9a-f]{16}$'),
  -- Package URL; its name may hold `*`, its version be a pattern or a range.
  package     text        NOT NULL CHECK (length(package) BETWEEN 1 AND 2100),
  -- Type of the package URL, and the text by which a package of this name finds the rule: '' for a name that is a pattern.
  type        text        NOT NULL CHECK (type ~ '^[a-z][a-z0-9.+-]*$'),
  look_up     text        NOT NULL,
  -- None means all. Of several kinds all have to fit.
  tenants     text[]      NOT NULL DEFAULT '{}' CHECK (cardinality(tenants) <= 100),
  routes      text[]      NOT NULL DEFAULT '{}' CHECK (cardinality(routes) <= 100),
  keys        text[]      NOT NULL DEFAULT '{}' CHECK (cardinality(keys) <= 100),
  -- deny, warn, allow. A gateway leaves rules alone whose action it does not know.
  action      text        NOT NULL CHECK (action ~ '^[a-z_]{1,32}$'),
  -- It decides nothing, and entries say what it would have done.
  dry_run     boolean     NOT NULL DEFAULT false,
  -- Shown to clients.
  reason      text        NOT NULL CHECK (length(reason) BETWEEN 1 AND 500),
  reference   text        NOT NULL DEFAULT '' CHECK (length(reference) <= 200),
  expires_at  timestamptz,
  priority    integer     NOT NULL CHECK (priority BETWEEN 0 AND 1000),
  created_by  text        NOT NULL DEFAULT coalesce(nullif(left(current_setting('waybill.actor', true), 200), ''), session_user::text),
  disabled_at timestamptz,
  removed_at  timestamptz,
  version     bigint      NOT NULL DEFAULT 1,
  created_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
  updated_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
  changed_xid xid8        NOT NULL DEFAULT pg_current_xact_id()
);
CREATE INDEX rules_changed ON rules (changed_xid);
CREATE INDEX rules_look_up ON rules (type, look_up) WHERE removed_at IS NULL;
CREATE INDEX rules_page ON rules (created_at, id) WHERE removed_at IS NULL;

CREATE FUNCTION rules_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'UPDATE' THEN
    IF OLD.removed_at IS NOT NULL THEN
      RAISE EXCEPTION 'rule % is removed', OLD.id USING ERRCODE = 'WB002';
    END IF;
    IF (NEW.id, NEW.package, NEW.type, NEW.look_up) IS DISTINCT FROM (OLD.id, OLD.package, OLD.type, OLD.look_up) THEN
      RAISE EXCEPTION 'id and package of rule % cannot change', OLD.id USING ERRCODE = 'WB003';
    END IF;
    NEW.version := OLD.version + 1;
    NEW.created_at := OLD.created_at;
    NEW.created_by := OLD.created_by;
    NEW.updated_at := clock_timestamp();
  ELSE
    NEW.version := greatest(1, NEW.version);
  END IF;
  NEW.changed_xid := pg_current_xact_id();
  RETURN NEW;
END $$;
CREATE TRIGGER rules_guard BEFORE INSERT OR UPDATE ON rules FOR EACH ROW EXECUTE FUNCTION rules_guard();

CREATE FUNCTION rules_forbid_removal() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'rows of rules are never removed: set removed_at' USING ERRCODE = 'WB003';
END $$;
CREATE TRIGGER rules_removal BEFORE DELETE OR TRUNCATE ON rules
  FOR EACH STATEMENT EXECUTE FUNCTION rules_forbid_removal();
CREATE TRIGGER rules_notify AFTER INSERT OR UPDATE ON rules
  FOR EACH STATEMENT EXECUTE FUNCTION directory_notify();

DO $$
DECLARE
  name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['rules_guard', 'rules_forbid_removal']
  LOOP
    EXECUTE format('ALTER FUNCTION %1$I.%2$I() SET search_path = %1$I, pg_temp', current_schema(), name);
  END LOOP;
END $$;

SELECT admin_log_attach('rules', 'rule', 'id', 'look_up');

ALTER TABLE access_log
  -- The rule that concerned the request.
  ADD COLUMN rule_id     text,
  -- deny, warn, allow, or would_deny and so on of a dry run; `none` where no rule concerned it. NULL in rows that were written before
  -- there was such a column.
  ADD COLUMN rule_action text;
