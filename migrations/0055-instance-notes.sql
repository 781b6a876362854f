-- compatible-from: 0010
-- What only a gateway can know, told with its signs of life when it has changed.
ALTER TABLE instances
  -- What stands aside in its spill folder: {"segments": n, "batches": n, "files": n, "entries": n, "named": [...]}; NULL for nothing.
  ADD COLUMN aside      jsonb,
  -- Settings of the server, as its writer's connection has found them, by which it may lose what it has acknowledged; NULL before
  -- the first batch.
  ADD COLUMN weaknesses text[];
