-- Answers of the admin API to creations with an Idempotency-Key, for a day. Programs of before run with it: they do not look at it.
-- compatible-from: 0010

CREATE TABLE admin_answers (
  -- Who asked: the kind of the principal and its id.
  principal      text        NOT NULL CHECK (length(principal) BETWEEN 1 AND 2400),
  -- SHA-256 of the Idempotency-Key. The key itself is stored nowhere: the answer is sealed by it, since it bears a secret.
  key_digest     bytea       NOT NULL CHECK (length(key_digest) = 32),
  -- SHA-256 of method, path and body.
  request_digest bytea       NOT NULL CHECK (length(request_digest) = 32),
  -- A salt of 16 bytes, a nonce of 12, the tag of 16, and the ciphertext (AES-256-GCM, NIST SP 800-38D).
  sealed         bytea       NOT NULL CHECK (length(sealed) BETWEEN 44 AND 65536),
  created_at     timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (principal, key_digest)
);
CREATE INDEX admin_answers_created ON admin_answers (created_at);
