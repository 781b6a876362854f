-- Roll-ups by what is asked of them (docs/decisions/0530), in place of access_minutes, which keeps answering until they are complete.
-- Programs of before run with it: they keep access_minutes as they did.
-- compatible-from: 0010

ALTER TABLE access_minutes_state
  -- As `horizon`: every batch that a transaction below it has written is rolled up, or its slots are in figures_due.
  ADD COLUMN figures_horizon  xid8    NOT NULL DEFAULT '0',
  -- Whether what was there before these tables has been put into figures_due.
  ADD COLUMN figures_seeded   boolean NOT NULL DEFAULT false,
  -- False until nothing was due for the first time: until then usage is read from access_minutes.
  ADD COLUMN figures_complete boolean NOT NULL DEFAULT false,
  -- Rows of a minute (step 1) are all there from this minute on; before it an hour is computed from its rows as a whole.
  ADD COLUMN figures_minutes_from bigint NOT NULL DEFAULT 0;

-- What is to be computed anew, from all its rows, once it is over: a minute, or what begins there and lasts `grain` minutes.
CREATE TABLE figures_due (
  grain smallint NOT NULL CHECK (grain IN (1, 15, 60, 1440)),
  -- Minutes since 1970, UTC.
  slot  bigint   NOT NULL,
  PRIMARY KEY (grain, slot)
);

-- Usage: a quarter of an hour (of which the offset of every time zone is a multiple) x what is billed, counted and refused. In all of these
-- tables '' is none, a row has no key: whoever computes a slot, one process at a time, removes its rows and puts new ones there.
CREATE TABLE figures_usage (
  bytes_received bigint   NOT NULL,
  bytes_sent     bigint   NOT NULL,
  -- Minutes since 1970, UTC: of the beginning.
  minute         integer  NOT NULL,
  n              integer  NOT NULL,
  -- The status' first digit.
  status_class   smallint NOT NULL,
  -- How Waybill itself refused it, and sent it nowhere: auth, limit, other; '' for what was served.
  refusal        text     NOT NULL,
  tenant         text     NOT NULL,
  key_id         text     NOT NULL,
  route          text     NOT NULL,
  -- '' in what was taken over from access_minutes, as key_id and reason.
  outcome        text     NOT NULL,
  reason         text     NOT NULL
);
CREATE INDEX figures_usage_minute ON figures_usage (minute);
CREATE INDEX figures_usage_tenant ON figures_usage (tenant, minute);

-- Charts, without tenants: so many rows at most as routes, outcomes and classes of status make in a minute.
CREATE TABLE figures_routes (
  bytes_received bigint   NOT NULL,
  bytes_sent     bigint   NOT NULL,
  -- Sums; of upstream_us over those that have one.
  duration_us    bigint   NOT NULL,
  upstream_us    bigint   NOT NULL,
  minute         integer  NOT NULL,
  n              integer  NOT NULL,
  upstream_n     integer  NOT NULL,
  -- Minutes that the row is of: 1, 15 or 60.
  step           smallint NOT NULL,
  status_class   smallint NOT NULL,
  route          text     NOT NULL,
  outcome        text     NOT NULL,
  -- Durations by bucket, in any order: bucket << 40 | n. Bucket b is of (2^((b - 1) / 8), 2^(b / 8)] microseconds.
  sketch         bigint[] NOT NULL
);
CREATE INDEX figures_routes_minute ON figures_routes (step, minute);

-- The same of each tenant; of steps 1 and 60.
CREATE TABLE figures_tenants (
  bytes_received bigint   NOT NULL,
  bytes_sent     bigint   NOT NULL,
  minute         integer  NOT NULL,
  n              integer  NOT NULL,
  step           smallint NOT NULL,
  status_class   smallint NOT NULL,
  tenant         text     NOT NULL,
  sketch         bigint[] NOT NULL
);
CREATE INDEX figures_tenants_minute ON figures_tenants (step, minute);
CREATE INDEX figures_tenants_tenant ON figures_tenants (tenant, step, minute);

-- The packages most asked for in an hour, or a day (step 60, 1440), and in a row with package '' all others together.
CREATE TABLE figures_packages (
  n          bigint   NOT NULL,
  -- Artifacts that were sent with a status of 2xx, and all bytes.
  downloads  bigint   NOT NULL,
  bytes_sent bigint   NOT NULL,
  minute     integer  NOT NULL,
  step       smallint NOT NULL,
  ecosystem  text     NOT NULL,
  package    text     NOT NULL
);
CREATE INDEX figures_packages_minute ON figures_packages (step, minute);

-- What programs of before store from quarantine.
CREATE FUNCTION figures_note_stale() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO figures_due (grain, slot)
  SELECT g, NEW.minute - NEW.minute % g FROM unnest('{1,15,60,1440}'::int[]) g
  ON CONFLICT (grain, slot) DO UPDATE SET slot = excluded.slot;
  RETURN NULL;
END $$;
CREATE TRIGGER access_minutes_stale_figures AFTER INSERT OR UPDATE ON access_minutes_stale
  FOR EACH ROW EXECUTE FUNCTION figures_note_stale();

ALTER TABLE figures_usage ENABLE ROW LEVEL SECURITY;
ALTER TABLE figures_tenants ENABLE ROW LEVEL SECURITY;
CREATE POLICY figures_usage_tenant ON figures_usage FOR SELECT
  USING (tenant = nullif(current_setting('waybill.tenant', true), ''));
CREATE POLICY figures_tenants_tenant ON figures_tenants FOR SELECT
  USING (tenant = nullif(current_setting('waybill.tenant', true), ''));
DO $$
BEGIN
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'waybill_reader') THEN
    GRANT SELECT ON figures_usage, figures_tenants TO waybill_reader;
  END IF;
END $$;
