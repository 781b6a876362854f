-- compatible-from: 0010
-- Minutes before this one have been summed to quarters of an hour.
ALTER TABLE access_minutes_state ADD COLUMN coarse_until bigint NOT NULL DEFAULT 0;
