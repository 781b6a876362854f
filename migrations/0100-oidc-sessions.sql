-- Sessions of people who signed in with OpenID Connect, and changes by them in the admin log (via: oidc). Programs of before run with it: they
-- take such a session for none, as its digest is not that of a session of the configured token.
-- compatible-from: 0010

ALTER TABLE admin_sessions
  -- What the issuer says of the person; null for the sessions of tokens.
  ADD COLUMN issuer  text CHECK (length(issuer) BETWEEN 1 AND 2048),
  ADD COLUMN subject text CHECK (length(subject) BETWEEN 1 AND 255),
  ADD COLUMN name    text CHECK (length(name) BETWEEN 1 AND 200),
  -- Of the claim of roles, what the configuration knew. What they permit is read from the configuration at each request.
  ADD COLUMN claimed text[],
  ADD CONSTRAINT admin_sessions_person
    CHECK (num_nulls(issuer, subject, name, claimed) IN (0, 4) AND (issuer IS NULL OR token_id IS NULL));

-- Adds an entry, and returns its number. Who, by which way and from where is told by the settings waybill.actor, waybill.via
-- ('api', 'oidc', 'cli', 'job') and waybill.source of the session or transaction; without them it is SQL, by the role, from the client's
-- address. The role is written down in any case: these settings may be set by anybody. With the rights of the owner: who may change a
-- tenant needs none on the log.
CREATE OR REPLACE FUNCTION admin_log_append(
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
  IF told IS NOT NULL AND current_setting('waybill.via', true) IN ('api', 'oidc', 'cli', 'job') THEN
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

DO $$
BEGIN
  EXECUTE format('ALTER FUNCTION %1$I.admin_log_append(text, text, text, text, jsonb, jsonb) SET search_path = %1$I, pg_temp',
    current_schema());
END $$;
