-- The transaction that wrote the batch: lets a follower read the batches that were committed since it last looked, in
-- whatever order they were written and committed (spilled ones are replayed late), without missing one.
ALTER TABLE access_ledger ADD COLUMN written_xid xid8 NOT NULL DEFAULT pg_current_xact_id();
CREATE INDEX access_ledger_xid ON access_ledger (written_xid);
