-- Since when figures are kept, by table and step ("figures_tenants/1": a minute since 1970): what a series of before is lacks them, and says so.
-- Programs of before run with it: they neither read nor write it.
-- compatible-from: 0010

ALTER TABLE access_minutes_state ADD COLUMN figures_kept jsonb NOT NULL DEFAULT '{}';
