-- How long a request was held before its limit let it pass, or it was refused.
-- Programs of before run with it: rows of theirs have none.
-- compatible-from: 0010

ALTER TABLE access_log
  -- Milliseconds; NULL for a request that was not held.
  ADD COLUMN held_ms bigint;
