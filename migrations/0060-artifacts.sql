-- What a request was about, beside the columns ecosystem, package and version, which are as old as the table and were always NULL.
-- Programs of before name the columns that they write: their rows have no artifact_kind.
-- compatible-from: 0010
ALTER TABLE access_log
  -- index, metadata, artifact, upload, login, search, other; `none` for a request of no artifact route. NULL in rows that were written
  -- before there was such a column, until `waybill identify` has looked at them.
  ADD COLUMN artifact_kind  text,
  -- Those of the package URL, as written there.
  ADD COLUMN qualifiers     text,
  -- What the upstream said of its own rate limit.
  ADD COLUMN upstream_limit text,
  -- When `waybill identify` told what an older row was about: its artifact_kind, ecosystem, package, version and qualifiers are no part
  -- of what was sealed. NULL in all other rows.
  ADD COLUMN identified_at  timestamptz;
