import { REQUEST_BOUNDS_SECONDS } from '../../lib/histogram.ts'
import { CANARY_TENANT } from '../../model/canary.ts'
import { sumRefusals } from './refusals.ts'
import type { Sql, TransactionSql } from '../sql.ts'

/** One gateway at a time keeps the roll-ups; the lock ends with its transaction. */
const LOCK_KEY = 9_299_458

const DAY_MINUTES = 1440

/** What one run takes on at most; a backlog is worked off run by run. */
const MAX_BATCHES = 20_000
const MAX_MINUTES = 30

/** Measured: 5 µs a row, so 30 minutes of 50 million entries a day take 5 s; those of a peak of 30,000 a second, minutes. */
const STATEMENT_TIMEOUT_MS = 600_000

/** What a run has done. */
export interface RollUpRun {
  /** `busy`: another gateway is at it. `caught_up`: nothing is left. `more`: call again at once. */
  readonly state: 'busy' | 'caught_up' | 'more'
  /** Minutes that were computed anew. */
  readonly minutes: number
}

/**
 * Brings `access_minutes` up to date with what was stored since the last run, in one transaction: the minutes in which entries
 * of newly stored batches started are computed anew from all their rows, and replace what was there. So it is right
 * after any run, retry or replay, in whatever order batches are stored. Bounded per call.
 *
 * Needs a handle that permits long statements (`openControl` with `hasLongStatements`), and one of its own.
 *
 * How far it has come is a transaction id, the horizon: all batches below it are in. It never passes a transaction that
 * still runs (PostgreSQL manual §9.27.9, pg_snapshot_xmin), so a batch that commits late is not missed. A long writing
 * transaction, even of another database of the server, so delays the roll-ups; usage reads the rows meanwhile.
 */
export async function rollUp(sql: Sql): Promise<RollUpRun> {
  return await sql.begin(async (tx) => {
    const [lock] = await tx<{ taken: boolean }[]>`SELECT pg_try_advisory_xact_lock(${LOCK_KEY}) AS taken`
    if (lock?.taken !== true) return { state: 'busy' as const, minutes: 0 }
    await tx`SELECT set_config('statement_timeout', ${String(STATEMENT_TIMEOUT_MS)}, true)`
    await mendHorizon(tx)
    const { horizon, minutes: touched } = await readTouched(tx)
    const stale = await takeStale(tx)
    await computeMinutes(tx, [...new Set([...touched, ...stale.minutes])])
    const [state] = await tx<{ is_complete: boolean }[]>`
      UPDATE access_minutes_state SET horizon = ${horizon.next}::text::xid8, updated_at = clock_timestamp(),
        is_complete = is_complete OR ${horizon.isReached} RETURNING is_complete`
    const isDone = state !== undefined && horizon.isReached && !stale.isMore
    return { state: isDone ? ('caught_up' as const) : ('more' as const), minutes: touched.length }
  })
}

/**
 * Transaction ids are of the server: where a dump was restored they begin anew, and a horizon that lies ahead of them would leave
 * out what is stored from now on. Then everything that has rows is computed once more.
 */
export async function mendHorizon(tx: TransactionSql): Promise<void> {
  const { count } = await tx`
    UPDATE access_minutes_state SET horizon = '0', is_complete = false
    WHERE horizon > pg_snapshot_xmax(pg_current_snapshot())`
  if (count === 0) return
  await tx`
    UPDATE access_ledger SET written_xid = pg_current_xact_id()
    WHERE written_xid > pg_snapshot_xmax(pg_current_snapshot())`
}

interface Touched {
  readonly horizon: { readonly next: string; readonly isReached: boolean }
  readonly minutes: number[]
}

/** The minutes of the oldest batches not rolled up yet, whole transactions only, and the horizon behind them. */
async function readTouched(tx: TransactionSql): Promise<Touched> {
  const rows = await tx<{ xid: string | null; minutes: number[] | null; xmin: string }[]>`
    SELECT l.written_xid::text AS xid, ${minutesOf(tx)} AS minutes, pg_snapshot_xmin(s)::text AS xmin
    FROM pg_current_snapshot() s CROSS JOIN access_minutes_state state LEFT JOIN access_ledger l
      ON l.written_xid >= state.horizon AND l.written_xid < pg_snapshot_xmin(s)
    ORDER BY l.written_xid LIMIT ${MAX_BATCHES}`
  const minutes = new Set<number>()
  const xmin = rows[0]?.xmin ?? '0'
  let previous: string | null = null
  for (const row of rows) {
    if (row.xid === null) break
    const isBoundary = row.xid !== previous
    if (isBoundary && minutes.size >= MAX_MINUTES) {
      return { horizon: { next: row.xid, isReached: false }, minutes: [...minutes] }
    }
    for (const minute of row.minutes ?? []) minutes.add(minute)
    previous = row.xid
  }
  // A transaction that the page may have cut in two is taken again by the next run.
  const isCut = rows.length === MAX_BATCHES && previous !== null
  return {
    horizon: isCut ? { next: previous ?? xmin, isReached: false } : { next: xmin, isReached: true },
    minutes: [...minutes],
  }
}

/** The minutes of batch `l`: as the writer noted them, else looked up in its rows. */
function minutesOf(tx: Sql | TransactionSql) {
  return tx`coalesce(l.minutes, (
    SELECT array_agg(DISTINCT ${minuteOf(tx)}) FROM access_log e
    WHERE e.instance = l.instance AND e.seq BETWEEN l.first_seq AND l.last_seq
      AND e.started_at >= l.first_started_at AND e.started_at <= l.last_started_at))`
}

/** The minute in which entry `e` started. */
function minuteOf(tx: Sql | TransactionSql) {
  return tx`floor(extract(epoch FROM e.started_at) / 60)::bigint`
}

async function takeStale(tx: TransactionSql): Promise<{ minutes: number[]; isMore: boolean }> {
  const rows = await tx<{ minute: number }[]>`
    DELETE FROM access_minutes_stale WHERE minute IN (
      SELECT minute FROM access_minutes_stale ORDER BY minute LIMIT ${MAX_MINUTES} FOR UPDATE SKIP LOCKED)
    RETURNING minute`
  const uncounted = await tx<{ minute: number }[]>`
    SELECT DISTINCT a.minute FROM access_minutes a, access_minutes_state s
    WHERE a.counted <> a.n AND a.minute >= s.first_minute ORDER BY a.minute DESC LIMIT ${MAX_MINUTES}`
  return {
    minutes: [...rows, ...uncounted].map((row) => row.minute),
    isMore: Math.max(rows.length, uncounted.length) === MAX_MINUTES,
  }
}

/** One statement, so that what it deletes and what it writes come from the same snapshot. */
async function computeMinutes(tx: TransactionSql, minutes: readonly number[]): Promise<void> {
  if (minutes.length === 0) return
  const boundsUs = REQUEST_BOUNDS_SECONDS.map((seconds) => seconds * 1e6)
  // width_bucket has lower bounds: durations are whole, and bounds are upper ones, inclusive.
  const lowerUs = boundsUs.map((us) => us + 1)
  const counts = Array.from(
    { length: boundsUs.length + 1 },
    (_, i) => `coalesce(sum(n) FILTER (WHERE bucket = ${i}), 0)`,
  )
  await tx`
    WITH wanted AS (
      SELECT m AS minute FROM unnest(${[...minutes]}::bigint[]) m, access_minutes_state s WHERE m >= s.first_minute
    ), buckets AS (
      SELECT w.minute, r.* FROM wanted w CROSS JOIN LATERAL (
        SELECT coalesce(e.tenant, '') AS tenant, coalesce(e.route, '') AS route, least(e.status / 100, 9)::smallint AS status_class,
          width_bucket(e.duration_us, ${lowerUs}::bigint[]) AS bucket, count(*) AS n,
          sum(e.bytes_received) AS bytes_received, sum(e.bytes_sent) AS bytes_sent, ${sumRefusals(tx, 'e')}
        FROM access_log e
        WHERE e.started_at >= to_timestamp(w.minute * 60) AND e.started_at < to_timestamp(w.minute * 60 + 60)
          AND e.tenant IS DISTINCT FROM ${CANARY_TENANT}
        GROUP BY 1, 2, 3, 4) r
    ), fresh AS (
      SELECT minute, tenant, route, status_class, sum(n) AS n, sum(bytes_received) AS bytes_received,
        sum(bytes_sent) AS bytes_sent, ARRAY[${tx.unsafe(counts.join(', '))}]::bigint[] AS durations,
        sum(refused_auth) AS refused_auth, sum(refused_limit) AS refused_limit, sum(refused_other) AS refused_other,
        sum(refused_received) AS refused_received, sum(refused_sent) AS refused_sent
      FROM buckets GROUP BY minute, tenant, route, status_class
    ), vanished AS (
      DELETE FROM access_minutes a USING wanted w WHERE a.minute = w.minute AND NOT EXISTS (
        SELECT FROM fresh f WHERE (f.minute, f.tenant, f.route, f.status_class) = (a.minute, a.tenant, a.route, a.status_class))
    )
    INSERT INTO access_minutes AS a (minute, tenant, route, status_class, n, bytes_received, bytes_sent, durations,
      refused_auth, refused_limit, refused_other, refused_received, refused_sent, counted)
    SELECT minute, tenant, route, status_class, n, bytes_received, bytes_sent, durations,
      refused_auth, refused_limit, refused_other, refused_received, refused_sent, n FROM fresh
    ON CONFLICT (minute, tenant, route, status_class) DO UPDATE SET
      n = excluded.n, bytes_received = excluded.bytes_received, bytes_sent = excluded.bytes_sent, durations = excluded.durations,
      refused_auth = excluded.refused_auth, refused_limit = excluded.refused_limit, refused_other = excluded.refused_other,
      refused_received = excluded.refused_received, refused_sent = excluded.refused_sent, counted = excluded.counted
    WHERE (a.n, a.bytes_received, a.bytes_sent, a.durations, a.refused_auth, a.refused_limit, a.refused_other,
        a.refused_received, a.refused_sent, a.counted)
      IS DISTINCT FROM (excluded.n, excluded.bytes_received, excluded.bytes_sent, excluded.durations, excluded.refused_auth,
        excluded.refused_limit, excluded.refused_other, excluded.refused_received, excluded.refused_sent, excluded.counted)`
}

/** What older roll-ups are summed to: minutes that the offset of every time zone is a multiple of. */
const COARSE_MINUTES = 15

/** Days that one call makes coarser at most. */
const MAX_COARSE_DAYS = 40

/** How long roll-ups are kept. */
export interface RollUpRetention {
  /** Days after which quarters of an hour take the place of minutes; only of days that are final. */
  readonly minutesDays: number
  /** Days after which they are removed. */
  readonly days: number
}

/**
 * Keeps `access_minutes` bounded, by the database's clock: final days become quarters of an hour, in which no sum of a day, nor of
 * any time zone's day, changes; what is older than `days` goes. Final is what lies before the last partition that was
 * dropped: nothing computes it anew. One gateway at a time; bounded per call. Needs the handle of `rollUp`.
 */
export async function boundRollUps(sql: Sql, retention: RollUpRetention): Promise<void> {
  await sql.begin(async (tx) => {
    const [lock] = await tx<{ taken: boolean }[]>`SELECT pg_try_advisory_xact_lock(${LOCK_KEY}) AS taken`
    if (lock?.taken !== true) return
    await tx`SELECT set_config('statement_timeout', ${String(STATEMENT_TIMEOUT_MS)}, true)`
    const now = tx`floor(extract(epoch FROM clock_timestamp()) / 60)::bigint`
    await tx`
      DELETE FROM access_minutes a USING access_minutes_state s
      WHERE a.minute < least(s.first_minute, ${now} - ${retention.days * DAY_MINUTES}::bigint)`
    // From where the last call came to: what is coarse already is not read again.
    const [range] = await tx<{ first: number; end: number }[]>`
      SELECT coarse_until AS first, least(first_minute, ${now} - ${retention.minutesDays * DAY_MINUTES}::bigint,
        greatest(coarse_until, (SELECT min(minute) FROM access_minutes WHERE minute >= coarse_until))
          + ${MAX_COARSE_DAYS * DAY_MINUTES}::bigint) / ${DAY_MINUTES}::bigint * ${DAY_MINUTES}::bigint AS "end"
      FROM access_minutes_state`
    if (range === undefined || range.end <= range.first) return
    await tx`
      WITH fine AS (
        DELETE FROM access_minutes WHERE minute >= ${range.first} AND minute < ${range.end} RETURNING *
      ), sums AS (
        SELECT minute - minute % ${COARSE_MINUTES}::bigint AS quarter, tenant, route, status_class, sum(n) AS n,
          sum(bytes_received) AS bytes_received, sum(bytes_sent) AS bytes_sent,
          sum(refused_auth) AS refused_auth, sum(refused_limit) AS refused_limit, sum(refused_other) AS refused_other,
          sum(refused_received) AS refused_received, sum(refused_sent) AS refused_sent
        FROM fine GROUP BY 1, 2, 3, 4
      ), counts AS (
        SELECT quarter, tenant, route, status_class, array_agg(n ORDER BY place) AS durations FROM (
          SELECT f.minute - f.minute % ${COARSE_MINUTES}::bigint AS quarter, f.tenant, f.route, f.status_class, d.place,
            sum(d.n)::bigint AS n
          FROM fine f, unnest(f.durations) WITH ORDINALITY AS d (n, place) GROUP BY 1, 2, 3, 4, 5
        ) c GROUP BY 1, 2, 3, 4
      )
      INSERT INTO access_minutes (minute, tenant, route, status_class, n, bytes_received, bytes_sent, durations,
        refused_auth, refused_limit, refused_other, refused_received, refused_sent, counted)
      SELECT quarter, tenant, route, status_class, s.n, s.bytes_received, s.bytes_sent, c.durations,
        s.refused_auth, s.refused_limit, s.refused_other, s.refused_received, s.refused_sent, s.n
      FROM sums s JOIN counts c USING (quarter, tenant, route, status_class)`
    await tx`UPDATE access_minutes_state SET coarse_until = ${range.end}`
  })
}

/** What a reader must know to join roll-ups and rows without counting anything twice, or not at all. */
export interface RollUpCover {
  /** First minute that the roll-ups hold alone: its rows, and all before it, may have expired. */
  readonly firstMinute: number
  /** Minutes of the range whose rows must be read. */
  readonly freshMinutes: readonly number[]
}

/**
 * Which minutes of [first, last] are not rolled up, as of the transaction's snapshot; null when the roll-ups have not caught up
 * yet for the first time, and only the rows are right.
 */
export async function readRollUpCover(
  tx: TransactionSql,
  first: number,
  last: number,
): Promise<RollUpCover | null> {
  const [state] = await tx<{ is_complete: boolean; first_minute: string }[]>`
    SELECT is_complete, first_minute::text FROM access_minutes_state`
  if (state?.is_complete !== true) return null
  const rows = await tx<{ minute: number }[]>`
    SELECT DISTINCT m AS minute FROM (
      SELECT unnest(${minutesOf(tx)}) AS m FROM access_minutes_state s JOIN access_ledger l ON l.written_xid >= s.horizon
      UNION ALL SELECT minute FROM access_minutes_stale
      UNION ALL SELECT a.minute FROM access_minutes a, access_minutes_state s
        WHERE a.counted <> a.n AND a.minute >= s.first_minute AND a.minute BETWEEN ${first} AND ${last}
    ) touched WHERE m BETWEEN ${first} AND ${last}`
  return { firstMinute: Number(state.first_minute), freshMinutes: rows.map((row) => row.minute) }
}

/**
 * Makes all minutes before `end` final: their roll-ups are never computed anew. To be called before the partition that ends
 * there is dropped, once `rollUp` has caught up.
 */
export async function finishMinutesBefore(sql: Sql, end: Date): Promise<void> {
  await sql`
    UPDATE access_minutes_state SET first_minute = greatest(first_minute, ${Math.floor(end.getTime() / 60_000)}::bigint)`
}
