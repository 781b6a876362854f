-- compatible-from: 0010
-- Requests that Waybill itself refused, and sent nowhere: among n and the bytes of their row, and told apart from what was served.
ALTER TABLE access_minutes
  ADD COLUMN refused_auth     bigint NOT NULL DEFAULT 0,
  ADD COLUMN refused_limit    bigint NOT NULL DEFAULT 0,
  ADD COLUMN refused_other    bigint NOT NULL DEFAULT 0,
  ADD COLUMN refused_received bigint NOT NULL DEFAULT 0,
  ADD COLUMN refused_sent     bigint NOT NULL DEFAULT 0,
  -- The n for which these were counted. Rows of older programs, and from before, have another one: they are computed anew while
  -- there are rows to do it from.
  ADD COLUMN counted          bigint NOT NULL DEFAULT -1;
CREATE INDEX access_minutes_uncounted ON access_minutes (minute) WHERE counted <> n;
