import { forgetUnderWay } from '../audit/audit-under-way.ts'
import { StoreError } from '../errors.ts'
import { noteDropped, noteExpiring } from './partition-lives.ts'
import { ensurePartitionFor, findPartition, PARTITION_LOCK_KEY, retried } from './partitions.ts'
import { finishMinutesBefore } from './minutes-before.ts'
import type { Sql, TransactionSql } from '../sql.ts'

/** Days further ahead than any gateway makes partitions: only a clock that was wrong has left them. */
const FAR_AHEAD_DAYS = 400

/** Counting the rows of a day of 50 million takes about a minute. */
const COUNT_TIMEOUT_MS = 600_000

/** A century: more is a slip of the hand. */
export const MAX_RETENTION_DAYS = 36_500

/** How long rows are kept, as the database has it. */
export interface Retention {
  readonly days: number
  /** Set by a command, and not from the options of gateways. */
  readonly isExplicit: boolean
}

/** The process that drops, and the time of its clock. */
export interface RetentionOptions {
  /** For the record: which program on which host. */
  readonly by: string
  /** Epoch milliseconds by the wall clock of this process. */
  readonly now: () => number
  /** Nothing is dropped while that clock and the database's are further apart. */
  readonly maxClockOffsetMs: number
}

/** What one run has done. */
export interface RetentionRun {
  readonly dropped: string[]
  /**
   * Why it looked at nothing: `clock_offset`, this process and the database disagree about the time; `clock_jump`, the database's
   * clock was seen a day or more earlier a moment ago, or was not read for as long, and a day must pass first.
   */
  readonly held: 'clock_offset' | 'clock_jump' | null
  /** This process' clock minus the database's. */
  readonly offsetMs: number
}

/**
 * Makes sure that the database says how long rows are kept, and returns it. Where no command has set it, it is the longest that
 * any gateway was configured with: a smaller option, or an option that was taken away, shortens nothing.
 */
export async function settleRetention(sql: Sql, configuredDays: number, by: string): Promise<Retention> {
  await sql`
    INSERT INTO access_log_retention AS r (days, set_by) VALUES (${configuredDays}, ${by})
    ON CONFLICT (id) DO UPDATE SET days = excluded.days, set_by = excluded.set_by, set_at = clock_timestamp()
    WHERE NOT r.is_explicit AND r.days < excluded.days`
  return (await readRetention(sql)) ?? { days: configuredDays, isExplicit: false }
}

/** What the database says; null before the first gateway. */
export async function readRetention(sql: Sql): Promise<Retention | null> {
  const [row] = await sql<{ days: number; is_explicit: boolean }[]>`
    SELECT days, is_explicit FROM access_log_retention`
  return row === undefined ? null : { days: row.days, isExplicit: row.is_explicit }
}

/** Sets it for all gateways; shorter takes effect with the next hourly run of any. */
export async function setRetention(sql: Sql | TransactionSql, days: number, by: string): Promise<void> {
  await sql`
    INSERT INTO access_log_retention (days, is_explicit, set_by) VALUES (${days}, true, ${by})
    ON CONFLICT (id) DO UPDATE SET days = excluded.days, is_explicit = true, set_by = excluded.set_by,
      set_at = clock_timestamp()`
}

/** The database's clock, and this process' clock minus it; what the question took is taken for half each way. */
export async function readClock(
  sql: Sql | TransactionSql,
  now: () => number,
): Promise<{ databaseMs: number; offsetMs: number }> {
  const before = now()
  const askedTick = performance.now()
  const [row] = await sql<{ ms: number }[]>`SELECT extract(epoch FROM clock_timestamp())::float8 * 1000 AS ms`
  const databaseMs = row?.ms ?? before
  return { databaseMs, offsetMs: before + (performance.now() - askedTick) / 2 - databaseMs }
}

/**
 * Drops the partitions whose rows have been kept for long enough, by the database's clock: the day ended that long ago, and no
 * batch for it was written since. So rows that came late, or with a wrong time of their own, are kept as long as others. Days
 * far in the future that no gateway writes to go as well. Of each drop a row tells (`access_log_partitions`), written by the
 * transaction that drops, which looks at the clock again.
 *
 * DETACH CONCURRENTLY, then DROP: neither waits in front of writers. A partition that a long reader holds is left to the next
 * run, which also completes what an interrupted one left. The roll-ups of these days are final from then on: run `rollUp`
 * before. Needs a handle that permits long statements. Rejects with StoreError `partition_failed` when any was left.
 */
export async function dropExpiredPartitions(sql: Sql, options: RetentionOptions): Promise<RetentionRun> {
  const { offsetMs } = await readClock(sql, options.now)
  if (Math.abs(offsetMs) > options.maxClockOffsetMs) return { dropped: [], held: 'clock_offset', offsetMs }
  const retention = await lookAtClock(sql)
  if (retention === null) return { dropped: [], held: null, offsetMs }
  if (retention.isHeld) return { dropped: [], held: 'clock_jump', offsetMs }
  await attachKept(sql, retention.days)
  await forgetUnderWay(sql, retention.days)
  const dropped: string[] = []
  const left: string[] = []
  let cause: unknown
  for (const { name, past_end: end } of await listExpired(sql, retention.days)) {
    try {
      // Or a late entry would have the roll-ups of such a day computed from what is left of it.
      if (end !== null) await finishMinutesBefore(sql, end)
      const drop = { retentionDays: retention.days, by: options.by }
      if (await retried(() => dropPartition(sql, name, drop))) dropped.push(name)
    } catch (error) {
      left.push(name)
      cause = error
    }
  }
  if (left.length > 0) {
    throw new StoreError('partition_failed', `expired partitions could not be dropped: ${left.join(', ')}`, {
      cause,
    })
  }
  return { dropped, held: null, offsetMs }
}

/** Notes what the database's clock shows. A jump ahead of a day holds retention for a day; a step back ends that. */
async function lookAtClock(sql: Sql): Promise<{ days: number; isHeld: boolean } | null> {
  const [row] = await sql<{ days: number; is_held: boolean }[]>`
    UPDATE access_log_retention r SET clock_seen_at = c.now, held_until = CASE
      WHEN c.now > r.clock_seen_at + interval '1 day' THEN c.now + interval '1 day'
      WHEN c.now > r.clock_seen_at - interval '1 minute' THEN r.held_until END
    FROM (SELECT clock_timestamp() AS now) c
    RETURNING r.days, coalesce(r.held_until > c.now, false) AS is_held`
  return row === undefined ? null : { days: row.days, isHeld: row.is_held }
}

/** Whether partition `p.name` has been kept for long enough, as a condition over `p`. */
function isExpired(sql: Sql | TransactionSql, retentionDays: number) {
  const day = sql`(to_date(right(p.name, 8), 'YYYYMMDD')::timestamp AT TIME ZONE 'UTC')`
  return sql`(
    (${day} + interval '1 day' <= clock_timestamp() - make_interval(days => ${retentionDays})
      OR ${day} > clock_timestamp() + make_interval(days => ${FAR_AHEAD_DAYS}))
    AND NOT EXISTS (
      SELECT FROM access_ledger l
      WHERE l.last_started_at >= ${day} AND l.first_started_at < ${day} + interval '1 day'
        AND l.written_at > clock_timestamp() - make_interval(days => ${retentionDays})))`
}

/** Gives back what was detached to be dropped, and is to be kept after all: the clock was set back, or the time made longer. */
async function attachKept(sql: Sql, retentionDays: number): Promise<void> {
  const rows = await sql<{ day: string }[]>`
    SELECT DISTINCT to_char(to_date(right(p.name, 8), 'YYYYMMDD'), 'YYYY-MM-DD') AS day
    FROM (SELECT partition AS name FROM access_log_partitions
          WHERE expiring_at IS NOT NULL AND dropped_at IS NULL AND gone_at IS NULL) p
    WHERE to_regclass(p.name) IS NOT NULL AND NOT ${isExpired(sql, retentionDays)}`
  await ensurePartitionFor(
    sql,
    rows.map(({ day }) => day),
  )
}

/** Oldest first, with tables that a detach left behind. `past_end`: the end of a day that lies in the past. */
async function listExpired(
  sql: Sql,
  retentionDays: number,
): Promise<{ name: string; past_end: Date | null }[]> {
  return await sql<{ name: string; past_end: Date | null }[]>`
    SELECT p.name, CASE WHEN d.day_end < clock_timestamp() THEN d.day_end END AS past_end
    FROM (
      SELECT c.relname::text AS name FROM pg_class a JOIN pg_class c ON c.relnamespace = a.relnamespace
      WHERE a.oid = to_regclass('access_log') AND c.relkind = 'r' AND c.relname ~ '^access_log_[0-9]{8}$'
    ) p, LATERAL (
      SELECT to_date(right(p.name, 8), 'YYYYMMDD')::timestamp AT TIME ZONE 'UTC' + interval '1 day' AS day_end
    ) d
    WHERE ${isExpired(sql, retentionDays)} ORDER BY p.name`
}

/**
 * False when it is gone already, or has not expired after all. Each step is a transaction of its own: DETACH CONCURRENTLY refuses
 * to run in one.
 */
async function dropPartition(
  sql: Sql,
  name: string,
  drop: { readonly retentionDays: number; readonly by: string },
): Promise<boolean> {
  const partition = await findPartition(sql, name)
  if (partition === undefined) return false
  await noteExpiring(sql, name)
  if (partition.is_detaching) {
    await sql.unsafe(`ALTER TABLE access_log DETACH PARTITION ${name} FINALIZE`)
  } else if (partition.is_attached) {
    await sql.unsafe(`ALTER TABLE access_log DETACH PARTITION ${name} CONCURRENTLY`)
  }
  return await sql.begin(async (tx) => {
    await tx`SELECT pg_advisory_xact_lock(${PARTITION_LOCK_KEY}), set_config('statement_timeout', ${String(COUNT_TIMEOUT_MS)}, true)`
    const expired = await tx`
      SELECT FROM (SELECT ${name}::text AS name) p
      WHERE to_regclass(p.name) IS NOT NULL AND ${isExpired(tx, drop.retentionDays)}
        AND NOT EXISTS (SELECT FROM pg_inherits WHERE inhrelid = to_regclass(p.name))`
    if (expired.length === 0) return false
    await noteDropped(tx, name, drop)
    await tx.unsafe(`DROP TABLE ${name}`)
    return true
  })
}
