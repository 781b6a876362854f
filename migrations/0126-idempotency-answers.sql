-- Answers of calls are encrypted, and do not compress: they are stored as they are, so that their lengths are told without reading them.
-- compatible-from: 0010

ALTER TABLE idempotency_keys ALTER COLUMN sealed SET STORAGE EXTERNAL;
