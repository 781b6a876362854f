-- Who may use the admin API: tokens of people and machines, and the sessions of browsers that signed in with one.
-- Programs of before run with it: they do not look at these tables.
-- compatible-from: 0010

CREATE TABLE admin_tokens (
  id           text        PRIMARY KEY CHECK (id ~ '^[0-9a-z]{12}$'),
  -- SHA-256 of the token's text, lower-case hex. The text itself is stored nowhere.
  digest       text        NOT NULL UNIQUE CHECK (digest ~ '^[0-9a-f]{64}$'),
  name         text        NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
  role         text        NOT NULL CHECK (role IN ('viewer', 'operator', 'admin', 'tenant')),
  -- What a token of the role "tenant" sees.
  tenant       text        REFERENCES tenants (slug),
  created_at   timestamptz NOT NULL DEFAULT now(),
  expires_at   timestamptz,
  revoked_at   timestamptz,
  -- Coarse: written once a minute at most.
  last_used_at timestamptz,
  CHECK ((role = 'tenant') = (tenant IS NOT NULL))
);

CREATE FUNCTION admin_tokens_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (NEW.id, NEW.digest, NEW.role, NEW.tenant) IS DISTINCT FROM (OLD.id, OLD.digest, OLD.role, OLD.tenant) THEN
    RAISE EXCEPTION 'id, digest, role and tenant of admin token % cannot change', OLD.id USING ERRCODE = 'WB003';
  END IF;
  IF OLD.revoked_at IS NOT NULL AND NEW.revoked_at IS DISTINCT FROM OLD.revoked_at THEN
    RAISE EXCEPTION 'admin token % is revoked', OLD.id USING ERRCODE = 'WB002';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER admin_tokens_guard BEFORE UPDATE ON admin_tokens FOR EACH ROW EXECUTE FUNCTION admin_tokens_guard();
CREATE TRIGGER admin_tokens_removal BEFORE DELETE OR TRUNCATE ON admin_tokens
  FOR EACH STATEMENT EXECUTE FUNCTION directory_forbid_removal();

CREATE TABLE admin_sessions (
  -- SHA-256 of the cookie's text, and for a session of the configured token of that as well: it ends when that is changed.
  digest     text        PRIMARY KEY CHECK (digest ~ '^[0-9a-f]{64}$'),
  -- Null for a session of the configured token.
  token_id   text        REFERENCES admin_tokens (id),
  created_at timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz NOT NULL
);
CREATE INDEX admin_sessions_expires ON admin_sessions (expires_at);
