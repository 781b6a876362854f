-- Deliveries: what senders gave to routes with `mode: accept`, until their receivers have it. Programs of before run with it: they do not
-- look at it.
-- compatible-from: 0010

-- What became of each, kept for `retention.deliveryDays`. The day's partition is told by `received_at`, which the id begins with (RFC 9562 §5.7).
CREATE TABLE deliveries (
  id            uuid        NOT NULL,
  received_at   timestamptz NOT NULL,
  tenant        text        NOT NULL,
  route         text        NOT NULL,
  -- waiting → delivered | dead | dropped | coalesced; duplicate is one that was promised on disk and found to be the second of its kind.
  state         text        NOT NULL CHECK (state IN ('waiting', 'delivered', 'dead', 'dropped', 'coalesced', 'duplicate')),
  attempts      integer     NOT NULL DEFAULT 0,
  ended_at      timestamptz,
  last_status   smallint,
  last_reason   text,
  -- What keeps its order among those of the route with the same; '' for none.
  lane          text        NOT NULL,
  -- The sender's id of it, or the digest of its body, where the route tells duplicates.
  sender_key    text,
  -- The one that went in its place: coalesced into, or duplicate of.
  into_id       uuid,
  -- The one that it repeats by hand; and by which one it was repeated.
  redelivery_of uuid,
  redelivered_as uuid,
  request_id    text,
  trace_id      text,
  body_bytes    bigint      NOT NULL,
  PRIMARY KEY (received_at, id)
) PARTITION BY RANGE (received_at);
CREATE INDEX deliveries_tenant ON deliveries (tenant, received_at) INCLUDE (route, state);

-- What is sent, never changed. Wide, so apart.
CREATE TABLE delivery_bodies (
  id          uuid        NOT NULL,
  received_at timestamptz NOT NULL,
  -- Method, path, fields: JSON.
  head        text        NOT NULL,
  -- How `body` is packed: '' or deflate, then perhaps +aes-256-gcm:<key id>.
  packing     text        NOT NULL,
  body        bytea       NOT NULL,
  PRIMARY KEY (received_at, id)
) PARTITION BY RANGE (received_at);

-- What is still to be done: one row for each that waits, and for each dead one until somebody decides on it.
CREATE TABLE delivery_work (
  seq         bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  id          uuid        NOT NULL,
  received_at timestamptz NOT NULL,
  tenant      text        NOT NULL,
  route       text        NOT NULL,
  lane        text        NOT NULL,
  coalesce_by text        NOT NULL,
  attempts    integer     NOT NULL DEFAULT 0,
  next_at     timestamptz,
  last_status smallint,
  last_reason text,
  body_bytes  bigint      NOT NULL,
  is_dead     boolean     NOT NULL DEFAULT false
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000, fillfactor = 80);
CREATE INDEX delivery_work_waiting ON delivery_work (route, seq) WHERE NOT is_dead;
CREATE INDEX delivery_work_tenant ON delivery_work (tenant) INCLUDE (is_dead, body_bytes, received_at);
CREATE UNIQUE INDEX delivery_work_id ON delivery_work (id);

-- What was accepted lately, for routes that tell duplicates.
CREATE TABLE delivery_keys (
  tenant      text        NOT NULL,
  route       text        NOT NULL,
  -- SHA-256 of the sender's id, or of the body.
  key         bytea       NOT NULL CHECK (length(key) = 32),
  id          uuid        NOT NULL,
  expires_at  timestamptz NOT NULL,
  PRIMARY KEY (tenant, route, key)
);
CREATE INDEX delivery_keys_expiry ON delivery_keys (expires_at);

-- Which process delivers what of a route came. A route has one owner at a time; `epoch` grows with each, and what an owner of before reports
-- is refused by it.
CREATE TABLE delivery_routes (
  route       text        PRIMARY KEY,
  owner       uuid,
  epoch       bigint      NOT NULL DEFAULT 0,
  lease_until timestamptz NOT NULL DEFAULT '-infinity'
);
CREATE TABLE delivery_members (
  id      uuid        PRIMARY KEY,
  seen_at timestamptz NOT NULL
);

-- Makes the partition of a day (UTC) of one of the two tables, if it is missing.
CREATE FUNCTION delivery_partition(parent text, day date) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  name text := parent || '_' || to_char(day, 'YYYYMMDD');
BEGIN
  IF to_regclass(name) IS NULL THEN
    EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (%L) TO (%L)', name, parent,
      day::timestamp AT TIME ZONE 'UTC', (day + 1)::timestamp AT TIME ZONE 'UTC');
  END IF;
END $$;

-- Makes the partitions of the days from `since` to two days from now that are missing. Any number of processes may call it at once.
CREATE FUNCTION delivery_partitions(since timestamptz) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  day date;
BEGIN
  PERFORM pg_advisory_xact_lock(9299460);
  FOR day IN SELECT generate_series((since AT TIME ZONE 'UTC')::date, (now() AT TIME ZONE 'UTC')::date + 2, interval '1 day')::date LOOP
    PERFORM delivery_partition('deliveries', day);
    PERFORM delivery_partition('delivery_bodies', day);
  END LOOP;
END $$;

-- Drops the partitions of days that ended before `cutoff` and of which nothing waits any more; dead letters of such days go with them. Returns
-- how many days.
CREATE FUNCTION delivery_retention(cutoff timestamptz) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
  part record;
  day timestamptz;
  dropped integer := 0;
BEGIN
  PERFORM pg_advisory_xact_lock(9299460);
  FOR part IN
    SELECT right(c.relname, 8) AS digits FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = 'deliveries'::regclass AND c.relname ~ '^deliveries_[0-9]{8}$' ORDER BY c.relname
  LOOP
    day := to_date(part.digits, 'YYYYMMDD')::timestamp AT TIME ZONE 'UTC';
    CONTINUE WHEN day + interval '1 day' > cutoff;
    CONTINUE WHEN EXISTS (
      SELECT FROM delivery_work WHERE NOT is_dead AND received_at >= day AND received_at < day + interval '1 day');
    DELETE FROM delivery_work WHERE is_dead AND received_at >= day AND received_at < day + interval '1 day';
    EXECUTE format('DROP TABLE %I', 'deliveries_' || part.digits);
    EXECUTE format('DROP TABLE IF EXISTS %I', 'delivery_bodies_' || part.digits);
    dropped := dropped + 1;
  END LOOP;
  RETURN dropped;
END $$;

-- One beat of a process that delivers: says that it lives, renews its leases, and takes its fair share of the routes that nobody has. Returns
-- the routes that it has now; `is_surplus` are those beyond its share, for it to release once nothing of them is under way.
CREATE FUNCTION delivery_beat(member uuid, served text[], lease interval)
RETURNS TABLE (route text, epoch bigint, is_surplus boolean) LANGUAGE plpgsql AS $$
DECLARE
  members integer;
  fair integer;
  mine integer;
BEGIN
  INSERT INTO delivery_members AS m (id, seen_at) VALUES (member, clock_timestamp())
    ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at;
  DELETE FROM delivery_members m WHERE m.seen_at < clock_timestamp() - 10 * lease;
  INSERT INTO delivery_routes AS r (route) SELECT DISTINCT unnest(served) ON CONFLICT DO NOTHING;
  SELECT count(*) INTO members FROM delivery_members m WHERE m.seen_at > clock_timestamp() - lease;
  fair := ceil(cardinality(served)::numeric / greatest(members, 1));
  UPDATE delivery_routes r SET lease_until = clock_timestamp() + lease WHERE r.owner = member AND r.route = ANY (served);
  GET DIAGNOSTICS mine = ROW_COUNT;
  -- What nobody took for two leases is taken by whoever serves it: others may have other routes.
  UPDATE delivery_routes r SET owner = member, epoch = r.epoch + 1, lease_until = clock_timestamp() + lease
  FROM (
    SELECT f.route, row_number() OVER (ORDER BY f.lease_until) AS place, f.lease_until FROM (
      SELECT d.route, d.lease_until FROM delivery_routes d
      WHERE d.route = ANY (served) AND d.lease_until < clock_timestamp() AND d.owner IS DISTINCT FROM member
      FOR UPDATE SKIP LOCKED) f
  ) free
  WHERE r.route = free.route AND (free.place <= fair - mine OR free.lease_until BETWEEN '1970-01-01' AND clock_timestamp() - 2 * lease);
  RETURN QUERY SELECT r.route, r.epoch, row_number() OVER (ORDER BY r.route) > fair
    FROM delivery_routes r WHERE r.owner = member AND r.route = ANY (served);
END $$;
