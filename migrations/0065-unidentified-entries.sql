-- Entries of before Waybill told what requests are about: whether a time has any is asked with every question about a package.
-- Nothing that is written from now on stands in the index, so that an entry costs the look at one column. Partitions that are
-- made from now on get it as they are attached; of those that are there the small ones get it here, and large ones are read whole.
-- compatible-from: 0010
CREATE INDEX access_log_unidentified ON ONLY access_log (started_at) WHERE artifact_kind IS NULL;

DO $$
DECLARE
  partition record;
BEGIN
  FOR partition IN
    SELECT c.relname, c.oid::regclass AS place FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = 'access_log'::regclass AND pg_relation_size(c.oid) < 64 * 1024 * 1024
  LOOP
    EXECUTE format('CREATE INDEX %I ON %s (started_at) WHERE artifact_kind IS NULL', partition.relname || '_unidentified', partition.place);
    EXECUTE format('ALTER INDEX access_log_unidentified ATTACH PARTITION %I', partition.relname || '_unidentified');
  END LOOP;
END $$;
