-- Sessions of the admin API have a public id, by which they are listed and ended. One is ended by having it expire: programs of before, which
-- run with it, know no other end.
-- compatible-from: 0010

ALTER TABLE admin_sessions
  -- Says nothing of the cookie: a digest of its digest.
  ADD COLUMN id text NOT NULL GENERATED ALWAYS AS (left(encode(sha256(decode(digest, 'hex')), 'hex'), 12)) STORED UNIQUE;

-- Not who signs in and out, but who ends a session of somebody.
SELECT admin_log_attach('admin_sessions', 'session', 'id', 'token_id claimed', 'UPDATE');
