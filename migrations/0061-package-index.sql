-- Who had a package: what `packageKey` of the product makes of a name, its last segment in one spelling, and the version. Of the
-- partitioned table alone: no partition is read here, or locked for longer than a look at the catalogue. A partition that is attached
-- from now on gets the index with it; those that are there get it one by one from a job of the gateways, which holds up nobody who
-- writes.
-- compatible-from: 0010
CREATE INDEX access_log_package ON ONLY access_log (
  lower(translate(CASE WHEN package ~ '/v[0-9]+$' THEN split_part(package, '/', -2) ELSE split_part(package, '/', -1) END, '_.', '--')),
  version
) WHERE package IS NOT NULL;
