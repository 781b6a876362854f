-- Secrets by which gateways sign the tokens of registries' clients. Each gateway signs with the one in force and knows the tokens of all, so
-- all of them read all of these. Programs of before run with it: they do not look at the table.
-- compatible-from: 0010

CREATE TABLE signing_keys (
  kid         text        PRIMARY KEY CHECK (kid ~ '^[0-9a-f]{16}$'),
  -- 32 random bytes in base64url.
  secret      text        NOT NULL CHECK (length(secret) = 43),
  created_at  timestamptz NOT NULL DEFAULT now(),
  -- Later than it is read by all, so that no gateway meets a token that it does not know.
  active_from timestamptz NOT NULL,
  -- It signs no more; its tokens live on until they expire. Null while no other takes its place.
  retires_at  timestamptz
);
CREATE TRIGGER signing_keys_notify AFTER INSERT OR UPDATE OR DELETE ON signing_keys
  FOR EACH STATEMENT EXECUTE FUNCTION directory_notify();
