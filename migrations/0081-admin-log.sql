-- The admin log: who changed what, from where, when, and what was there before and after. Triggers write it in the transaction of the
-- change itself, so that what is changed by hand is in it as well, and what is rolled back is not. Programs of before run with it.
-- compatible-from: 0010

CREATE TABLE admin_log (
  -- Without holes: numbers are given by admin_log_head, and go back with a transaction that does.
  seq     bigint      PRIMARY KEY CHECK (seq > 0),
  at      timestamptz NOT NULL,
  -- The entry, as JSON: this text is what the digest covers, and what is shown.
  record  text        NOT NULL,
  -- SHA-256 of the digest before (nothing for the first entry) and of the record in UTF-8.
  digest  bytea       NOT NULL CHECK (length(digest) = 32),
  -- To be searched by. They cannot be told something else than the record says.
  actor   text        NOT NULL GENERATED ALWAYS AS (record::jsonb ->> 'actor') STORED,
  via     text        NOT NULL GENERATED ALWAYS AS (record::jsonb ->> 'via') STORED,
  action  text        NOT NULL GENERATED ALWAYS AS (record::jsonb ->> 'action') STORED,
  subject text        NOT NULL GENERATED ALWAYS AS (record::jsonb ->> 'subject') STORED,
  tenant  text        GENERATED ALWAYS AS (record::jsonb ->> 'tenant') STORED
);
CREATE INDEX admin_log_at ON admin_log (at);
CREATE INDEX admin_log_actor ON admin_log (actor, seq);
CREATE INDEX admin_log_subject ON admin_log (subject text_pattern_ops, seq);
CREATE INDEX admin_log_tenant ON admin_log (tenant, seq);

-- One row: the last entry's number and digest. Its lock puts entries in order. It is taken at the commit of a change, after all other
-- locks of it, so that nobody waits for another in a circle, and nobody for a person who thinks within a transaction.
CREATE TABLE admin_log_head (
  id     boolean PRIMARY KEY DEFAULT true CHECK (id),
  seq    bigint  NOT NULL,
  digest bytea   NOT NULL
);
INSERT INTO admin_log_head (seq, digest) VALUES (0, '');

-- Adds an entry, and returns its number. Who, by which way and from where is told by the settings waybill.actor, waybill.via
-- ('api', 'cli', 'job') and waybill.source of the session or transaction; without them it is SQL, by the role, from the client's
-- address. The role is written down in any case: these settings may be set by anybody. With the rights of the owner: who may change a
-- tenant needs none on the log.
CREATE FUNCTION admin_log_append(
  action text, subject text, name text, tenant text, before jsonb, after jsonb
) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
  head      admin_log_head;
  number    bigint;
  before_it bytea;
  moment    timestamptz;
  told      text := left(nullif(current_setting('waybill.actor', true), ''), 200);
  way       text := 'sql';
  place     text := left(nullif(current_setting('waybill.source', true), ''), 200);
  entry     text;
BEGIN
  IF told IS NOT NULL AND current_setting('waybill.via', true) IN ('api', 'cli', 'job') THEN
    way := current_setting('waybill.via', true);
  END IF;
  IF place IS NULL THEN
    place := concat(coalesce(host(inet_client_addr()), 'local'),
      ' (' || nullif(left(current_setting('application_name', true), 64), '') || ')');
  END IF;
  SELECT h.* INTO head FROM admin_log_head h FOR UPDATE;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'admin_log_head has lost its row: changes are refused until it is back' USING ERRCODE = 'WB004',
      HINT = 'docs/failure-modes.md says how to put it back';
  END IF;
  -- Of this transaction, if it has added entries: the head follows once, or thousands of changes at once would make as many versions of it,
  -- each of which the next one had to step over.
  SELECT l.seq, l.digest INTO number, before_it FROM admin_log l WHERE l.seq > head.seq ORDER BY l.seq DESC LIMIT 1;
  number := coalesce(number, head.seq) + 1;
  before_it := coalesce(before_it, head.digest);
  -- The time of the lock: times and numbers have the same order, as far as the clock does not step back.
  moment := clock_timestamp();
  entry := json_build_object(
    'seq', number,
    'at', to_char(moment AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
    'actor', coalesce(told, session_user::text),
    'via', way,
    'from', place,
    'role', session_user::text,
    'action', action,
    'subject', subject,
    'name', name,
    'tenant', tenant,
    'before', before,
    'after', after)::text;
  INSERT INTO admin_log (seq, at, record, digest)
  VALUES (number, moment, entry, sha256(before_it || convert_to(entry, 'UTF8')));
  RETURN number;
END $$;

-- For a table that is logged: its kind, its key's column ('' where it has one row only), and columns that are no business of the log.
-- Of an update the fields that changed are written down, of the others the whole row. What nobody has changed makes no entry.
CREATE FUNCTION admin_log_row() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
  kind    CONSTANT text := TG_ARGV[0];
  -- The columns of every table: who reads the log reads no secret, and what the database keeps up by itself is no change.
  unsaid  CONSTANT text := '(digest|secret|password|hash)|^(version|created_at|updated_at|changed_xid|last_used_at)$';
  hidden  text[];
  old_row jsonb;
  new_row jsonb;
  one     jsonb;
  key     text;
  verb    text;
BEGIN
  IF TG_OP = 'TRUNCATE' THEN
    PERFORM admin_log_append(kind || '.truncated', kind, NULL, NULL, NULL, NULL);
    RETURN NULL;
  END IF;
  IF TG_OP <> 'INSERT' THEN old_row := to_jsonb(OLD); END IF;
  IF TG_OP <> 'DELETE' THEN new_row := to_jsonb(NEW); END IF;
  one := coalesce(new_row, old_row);
  key := kind || coalesce(':' || (one ->> nullif(TG_ARGV[1], '')), '');
  SELECT array_agg(k) INTO hidden FROM jsonb_object_keys(one) k
  WHERE k ~ unsaid OR k = ANY (string_to_array(TG_ARGV[2], ' '));
  old_row := old_row - coalesce(hidden, '{}');
  new_row := new_row - coalesce(hidden, '{}');
  IF TG_OP = 'UPDATE' THEN
    SELECT jsonb_object_agg(o.key, o.value), jsonb_object_agg(o.key, n.value) INTO old_row, new_row
    FROM jsonb_each(old_row) o JOIN jsonb_each(new_row) n ON n.key = o.key AND n.value <> o.value;
    IF old_row IS NULL THEN RETURN NULL; END IF;
    verb := CASE
      WHEN new_row ->> 'state' = 'active' THEN 'resumed'
      WHEN new_row ? 'state' THEN new_row ->> 'state'
      WHEN new_row ->> 'revoked_at' IS NOT NULL THEN 'revoked'
      WHEN new_row ->> 'rotated_to' IS NOT NULL THEN 'rotated'
      WHEN new_row ->> 'resolution' IS NOT NULL THEN new_row ->> 'resolution'
      ELSE 'changed' END;
  ELSIF TG_OP = 'INSERT' THEN verb := 'created';
  -- What was decided on before is removed once it is summed up in a checkpoint.
  ELSIF old_row ->> 'resolution' IS NOT NULL THEN RETURN NULL;
  ELSE verb := 'deleted';
  END IF;
  PERFORM admin_log_append(kind || '.' || verb, key, one ->> 'name',
    CASE WHEN kind = 'tenant' THEN one ->> 'slug' ELSE nullif(one ->> 'tenant', '') END, old_row, new_row);
  RETURN NULL;
END $$;

-- Has the changes of a table logged; harmless when they are already. `events`: of INSERT, UPDATE, DELETE.
CREATE FUNCTION admin_log_attach(
  target regclass, kind text, key_column text, hidden text DEFAULT '', events text DEFAULT 'INSERT OR UPDATE OR DELETE'
) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = target AND t.tgname = 'admin_log_row') THEN RETURN; END IF;
  EXECUTE format('CREATE CONSTRAINT TRIGGER admin_log_row AFTER %s ON %s DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION %I.admin_log_row(%L, %L, %L)', events, target, current_schema(), kind, key_column, hidden);
  EXECUTE format('CREATE TRIGGER admin_log_truncate AFTER TRUNCATE ON %s
    FOR EACH STATEMENT EXECUTE FUNCTION %I.admin_log_row(%L, %L, %L)', target, current_schema(), kind, key_column, hidden);
END $$;

CREATE FUNCTION admin_log_keep() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'entries of the admin log are never changed or removed' USING ERRCODE = 'WB004';
END $$;
CREATE TRIGGER admin_log_keep BEFORE UPDATE OR DELETE OR TRUNCATE ON admin_log
  FOR EACH STATEMENT EXECUTE FUNCTION admin_log_keep();
CREATE TRIGGER admin_log_keep BEFORE DELETE OR TRUNCATE ON admin_log_head
  FOR EACH STATEMENT EXECUTE FUNCTION admin_log_keep();

-- The head goes on to the last entry of a transaction, and in no other way.
CREATE FUNCTION admin_log_advance() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM admin_log l WHERE l.seq > NEW.seq) THEN
    UPDATE admin_log_head SET seq = NEW.seq, digest = NEW.digest;
  END IF;
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER admin_log_advance AFTER INSERT ON admin_log DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW EXECUTE FUNCTION admin_log_advance();

CREATE FUNCTION admin_log_follow() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.seq > OLD.seq AND EXISTS (SELECT FROM admin_log l WHERE l.seq = NEW.seq AND l.digest = NEW.digest) THEN
    RETURN NEW;
  END IF;
  RAISE EXCEPTION 'the head of the admin log follows its entries' USING ERRCODE = 'WB004';
END $$;
CREATE TRIGGER admin_log_follow BEFORE UPDATE ON admin_log_head
  FOR EACH ROW EXECUTE FUNCTION admin_log_follow();

DO $$
DECLARE
  name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['admin_log_append(text, text, text, text, jsonb, jsonb)', 'admin_log_row()', 'admin_log_advance()', 'admin_log_follow()',
    'admin_log_keep()', 'admin_log_attach(regclass, text, text, text, text)'] LOOP
    EXECUTE format('ALTER FUNCTION %1$I.%2$s SET search_path = %1$I, pg_temp', current_schema(), name);
    -- Or any role could forge entries, by a call or by a trigger on a table of its own.
    EXECUTE format('REVOKE ALL ON FUNCTION %I.%s FROM PUBLIC', current_schema(), name);
  END LOOP;
  -- JSON of a row is text in the forms of the session.
  ALTER FUNCTION admin_log_row() SET TimeZone = 'UTC';
  ALTER FUNCTION admin_log_row() SET extra_float_digits = 1;
  ALTER FUNCTION admin_log_row() SET bytea_output = 'hex';
END $$;

SELECT admin_log_attach('tenants', 'tenant', 'slug');
SELECT admin_log_attach('api_keys', 'key', 'id');
SELECT admin_log_attach('signing_keys', 'signing-key', 'kid');
SELECT admin_log_attach('access_log_retention', 'retention', '', 'id set_by set_at clock_seen_at held_until');
-- That a row was refused is the log's business, and an operator's what becomes of it.
SELECT admin_log_attach('quarantine', 'quarantine', 'id', 'row code detail quarantined_at resolved_at', 'UPDATE OR DELETE');
DO $$
BEGIN
  IF to_regclass('admin_tokens') IS NOT NULL THEN
    PERFORM admin_log_attach('admin_tokens', 'token', 'id');
  END IF;
END $$;

-- Who may read the ledger, for audits, may read what was changed.
DO $$
DECLARE
  reader text;
BEGIN
  FOR reader IN
    SELECT DISTINCT g.grantee::regrole::text FROM pg_class c, aclexplode(c.relacl) g
    WHERE c.oid = 'access_ledger'::regclass AND g.privilege_type = 'SELECT' AND g.grantee NOT IN (0, c.relowner)
  LOOP
    EXECUTE format('GRANT SELECT ON admin_log, admin_log_head TO %s', reader);
  END LOOP;
END $$;
