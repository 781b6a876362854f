-- Calls with an Idempotency-Key on routes that heed it, and their answers. Programs of before run with it: they do not look at it.
-- compatible-from: 0010

CREATE TABLE idempotency_keys (
  tenant         text        NOT NULL,
  route          text        NOT NULL,
  -- SHA-256 of the key. The key itself is stored nowhere: the answer is sealed by it, since it may bear a secret.
  key_digest     bytea       NOT NULL CHECK (length(key_digest) = 32),
  -- SHA-256 of method, path, query and body.
  request_digest bytea       NOT NULL CHECK (length(request_digest) = 32),
  -- Which attempt it is: what a gateway says of another one is not heeded.
  claim          uuid        NOT NULL,
  -- Of a call under way the end of its lease, of one that was answered the end of its answer; then the next one is the first again.
  until          timestamptz NOT NULL,
  -- Null while it is under way.
  answered_at    timestamptz,
  -- Status, fields and body, sealed (AES-256-GCM); null of an answer that was too large to keep.
  sealed         bytea       CHECK (length(sealed) BETWEEN 44 AND 6291456),
  PRIMARY KEY (tenant, route, key_digest),
  CHECK (sealed IS NULL OR answered_at IS NOT NULL)
);
CREATE INDEX idempotency_keys_until ON idempotency_keys (until);
CREATE INDEX idempotency_keys_claims ON idempotency_keys (claim) WHERE answered_at IS NULL;
