-- compatible-from: 0010
-- What a process that is killed was just answering: such requests have no entry.
ALTER TABLE instances
  -- When it was last seen, and at most: its promise, as memory_entries.
  ADD COLUMN in_flight       bigint,
  ADD COLUMN in_flight_most  bigint,
  -- Those that take long (transfers, tunnels), the oldest of them, as their entries would tell: replaced at each sign of life, none
  -- once it has stopped. And how many there were.
  ADD COLUMN under_way       jsonb,
  ADD COLUMN under_way_count bigint;
