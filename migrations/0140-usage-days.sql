-- Usage of whole days without keys and reasons (docs/decisions/0535): reports over many tenants and days read a hundredth of the rows.
-- Programs of before run with it: whatever they write of figures_usage puts its day down to be summed anew.
-- compatible-from: 0010

-- The sums of figures_usage by day of UTC; '' is none.
CREATE TABLE figures_usage_days (
  bytes_received bigint   NOT NULL,
  bytes_sent     bigint   NOT NULL,
  n              bigint   NOT NULL,
  -- Minutes since 1970, UTC: of the beginning.
  minute         integer  NOT NULL,
  status_class   smallint NOT NULL,
  refusal        text     NOT NULL,
  tenant         text     NOT NULL,
  route          text     NOT NULL,
  outcome        text     NOT NULL
);
CREATE INDEX figures_usage_days_minute ON figures_usage_days (minute);
CREATE INDEX figures_usage_days_tenant ON figures_usage_days (tenant, minute);

-- Days whose usage has changed since they were summed; a day is summed once it is over.
CREATE TABLE figures_usage_days_due (minute integer PRIMARY KEY);

INSERT INTO figures_usage_days_due (minute)
SELECT day FROM (SELECT min(minute) AS first, max(minute) AS last FROM figures_usage) f,
  generate_series(f.first - f.first % 1440, f.last, 1440) day;

CREATE FUNCTION figures_usage_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO figures_usage_days_due (minute) SELECT DISTINCT minute - minute % 1440 FROM changed ON CONFLICT DO NOTHING;
  RETURN NULL;
END $$;
CREATE TRIGGER figures_usage_inserted AFTER INSERT ON figures_usage REFERENCING NEW TABLE AS changed
  FOR EACH STATEMENT EXECUTE FUNCTION figures_usage_changed();
CREATE TRIGGER figures_usage_deleted AFTER DELETE ON figures_usage REFERENCING OLD TABLE AS changed
  FOR EACH STATEMENT EXECUTE FUNCTION figures_usage_changed();

ALTER TABLE figures_usage_days ENABLE ROW LEVEL SECURITY;
CREATE POLICY figures_usage_days_tenant ON figures_usage_days FOR SELECT
  USING (tenant = nullif(current_setting('waybill.tenant', true), ''));
DO $$
BEGIN
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'waybill_reader') THEN
    GRANT SELECT ON figures_usage_days TO waybill_reader;
  END IF;
END $$;
