-- compatible-from: 0010
-- What is known of the death of an instance, written by whoever knows of it, and what it can have cost at most.
ALTER TABLE instances
  -- The process, and in which life of a machine that number means something; '' for unknown.
  ADD COLUMN process_id      integer,
  ADD COLUMN process_started text,
  ADD COLUMN machine         text,
  -- Where it spills: as soon as the database does not confirm what it promises, a folder of its own is there.
  ADD COLUMN spill_folder    text,
  -- Entries that it has in memory at most: its promise, renewed before it has more. NULL for capacity_entries.
  ADD COLUMN memory_entries  bigint,
  -- When its death was written down, and how that is known: `exited` its primary has seen the end, `gone` there is no such process,
  -- `heir` its spill folder had no owner any more. Cleared by a sign of life.
  ADD COLUMN died_at         timestamptz,
  ADD COLUMN died_of         text CHECK (died_of IN ('exited', 'gone', 'heir')),
  ADD CONSTRAINT instances_death CHECK ((died_at IS NULL) = (died_of IS NULL));
CREATE INDEX instances_open ON instances (machine) WHERE ended_at IS NULL AND died_at IS NULL;
