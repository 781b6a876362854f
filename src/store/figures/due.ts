import type { Sql, SqlFragment, TransactionSql } from '../sql.ts'

/** Minutes of the slots that are computed as one; a slot begins at a multiple of them. */
export const GRAINS = [1, 15, 60, 1440] as const

/** Minutes of a slot. */
export type Grain = (typeof GRAINS)[number]

const DAY_MINUTES = 1440

/** Batches whose minutes one run puts down at most; a backlog is worked off run by run. */
const MAX_BATCHES = 20_000

/** The minutes of batch `l`: as the writer noted them, else looked up in its rows. */
export function minutesOf(tx: Sql | TransactionSql): SqlFragment {
  return tx`coalesce(l.minutes, (
    SELECT array_agg(DISTINCT floor(extract(epoch FROM e.started_at) / 60)::bigint) FROM access_log e
    WHERE e.instance = l.instance AND e.seq BETWEEN l.first_seq AND l.last_seq
      AND e.started_at >= l.first_started_at AND e.started_at <= l.last_started_at))`
}

/**
 * Transaction ids are of the server: where a dump was restored they begin anew, and a horizon that lies ahead of them would leave
 * out what is stored from now on. Then everything that has rows is computed once more.
 */
export async function mendHorizon(tx: TransactionSql): Promise<void> {
  const { count } = await tx`
    UPDATE access_minutes_state SET horizon = '0', is_complete = false
    WHERE horizon > pg_snapshot_xmax(pg_current_snapshot())`
  // A backup of an older schema is restored into that.
  const columns = await tx`
    SELECT FROM pg_attribute WHERE attrelid = to_regclass('access_minutes_state') AND attname = 'figures_horizon'`
  const { count: figures } =
    columns.length === 0
      ? { count: 0 }
      : await tx`
    UPDATE access_minutes_state SET figures_horizon = '0', figures_complete = false, figures_seeded = false
    WHERE figures_horizon > pg_snapshot_xmax(pg_current_snapshot())`
  if (count + figures === 0) return
  await tx`
    UPDATE access_ledger SET written_xid = pg_current_xact_id()
    WHERE written_xid > pg_snapshot_xmax(pg_current_snapshot())`
}

/**
 * Once, before the first batch: puts down all that was there before these tables, every slot of each day that has rows, and
 * each quarter of an hour that `access_minutes` has alone. What is stored meanwhile is put down by the batches.
 */
export async function seedDue(tx: TransactionSql): Promise<void> {
  const [state] = await tx<{ xmin: string; first_minute: string }[]>`
    SELECT pg_snapshot_xmin(pg_current_snapshot())::text AS xmin, first_minute::text
    FROM access_minutes_state WHERE NOT figures_seeded`
  if (state === undefined) return
  const partitions = await tx<{ name: string; minute: number }[]>`
    SELECT c.relname AS name,
      (extract(epoch FROM to_date(right(c.relname, 8), 'YYYYMMDD')::timestamp AT TIME ZONE 'UTC') / 60)::bigint AS minute
    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = to_regclass('access_log') AND NOT i.inhdetachpending AND c.relname ~ '^access_log_[0-9]{8}$'`
  const days: number[] = []
  for (const { name, minute } of partitions) {
    const [row] = await tx<{ has_rows: boolean }[]>`SELECT EXISTS (SELECT FROM ${tx(name)}) AS has_rows`
    if (row?.has_rows === true) days.push(minute)
  }
  await tx`
    INSERT INTO figures_due (grain, slot)
    SELECT g, slot FROM unnest(${days}::bigint[]) day, unnest(${[...GRAINS]}::int[]) g,
      generate_series(day, day + ${DAY_MINUTES - 1}::bigint, g) slot
    WHERE slot >= ${state.first_minute}::text::bigint
    ON CONFLICT DO NOTHING`
  await tx`
    INSERT INTO figures_due (grain, slot)
    SELECT 15, slot FROM (
      SELECT min(minute) AS first, max(minute) AS last FROM access_minutes WHERE minute < ${state.first_minute}::text::bigint
    ) a, generate_series(a.first - a.first % 15, a.last, 15) slot
    ON CONFLICT DO NOTHING`
  // Where rows were computed before, in a database that was restored.
  await tx`
    UPDATE access_minutes_state SET figures_seeded = true, figures_horizon = greatest(figures_horizon, ${state.xmin}::text::xid8)`
}

/**
 * Puts down the slots of the oldest batches that no run has looked at, and moves the horizon behind them; whether it has
 * reached the batches that are still being written. It never passes a transaction that still runs (PostgreSQL manual §9.27.9,
 * pg_snapshot_xmin), so a batch that commits late is not missed.
 */
export async function noteBatches(tx: TransactionSql): Promise<{ isReached: boolean }> {
  const rows = await tx<{ xid: string | null; minutes: number[] | null; xmin: string }[]>`
    SELECT l.written_xid::text AS xid, ${minutesOf(tx)} AS minutes, pg_snapshot_xmin(s)::text AS xmin
    FROM pg_current_snapshot() s CROSS JOIN access_minutes_state state LEFT JOIN access_ledger l
      ON l.written_xid >= state.figures_horizon AND l.written_xid < pg_snapshot_xmin(s)
    ORDER BY l.written_xid LIMIT ${MAX_BATCHES}`
  const minutes = new Set(rows.flatMap((row) => row.minutes ?? []))
  // A transaction that the page may have cut in two is taken again by the next run.
  const last = rows.length === MAX_BATCHES ? (rows.at(-1)?.xid ?? null) : null
  await tx`
    INSERT INTO figures_due (grain, slot)
    SELECT g, m - m % g FROM unnest(${[...minutes]}::bigint[]) m, unnest(${[...GRAINS]}::int[]) g, access_minutes_state s
    WHERE m >= s.first_minute
    ON CONFLICT DO NOTHING`
  // An hour is the sum of its minutes: all of them, where they are not kept any more.
  await tx`
    INSERT INTO figures_due (grain, slot)
    SELECT 1, h.slot + i FROM (
      SELECT DISTINCT d.slot - d.slot % 60 AS slot
      FROM access_minutes_state s JOIN figures_due d ON d.grain = 1 AND d.slot < s.figures_minutes_from AND d.slot >= s.first_minute
    ) h, generate_series(0, 59) i
    ON CONFLICT DO NOTHING`
  await tx`
    UPDATE access_minutes_state SET figures_horizon = ${last ?? rows[0]?.xmin ?? '0'}::text::xid8`
  return { isReached: last === null }
}

/** Slots that are over, as a condition on `d`: of `grain` minutes, by the database's clock. */
function isOver(tx: TransactionSql): SqlFragment {
  return tx`d.slot + d.grain <= floor(extract(epoch FROM clock_timestamp()) / 60)::bigint`
}

/**
 * Takes slots that are over, and made of smaller ones that are computed, out of the table: the newest, `limit` of them at most. What
 * somebody else is putting down at the moment is left to the next run, and quarters of an hour whose rows are gone to `takeFinished`.
 */
export async function takeDue(tx: TransactionSql, grain: Grain, limit: number): Promise<number[]> {
  const parts = { 1: 0, 15: 1, 60: 1, 1440: 60 }[grain]
  const onlyWithRows = grain === 15 ? tx`AND d.slot >= (SELECT first_minute FROM access_minutes_state)` : tx``
  const rows = await tx<{ slot: number }[]>`
    DELETE FROM figures_due WHERE (grain, slot) IN (
      SELECT d.grain, d.slot FROM figures_due d
      WHERE d.grain = ${grain} AND ${isOver(tx)} ${onlyWithRows} AND NOT EXISTS (
        SELECT FROM figures_due p WHERE p.grain = ${parts} AND p.slot >= d.slot AND p.slot < d.slot + d.grain)
      ORDER BY d.slot DESC LIMIT ${limit} FOR UPDATE OF d SKIP LOCKED)
    RETURNING slot`
  return rows.map(({ slot }) => slot).sort((a, b) => a - b)
}

/** Takes out quarters of an hour whose rows are gone. */
export async function takeFinished(tx: TransactionSql, limit: number): Promise<number[]> {
  const rows = await tx<{ slot: number }[]>`
    DELETE FROM figures_due WHERE (grain, slot) IN (
      SELECT d.grain, d.slot FROM figures_due d JOIN access_minutes_state s ON d.slot < s.first_minute
      WHERE d.grain = 15 ORDER BY d.slot DESC LIMIT ${limit} FOR UPDATE OF d SKIP LOCKED)
    RETURNING slot`
  return rows.map(({ slot }) => slot)
}

/** Whether slots are left that are over. */
export async function hasDue(tx: TransactionSql): Promise<boolean> {
  const [row] = await tx<{ is_more: boolean }[]>`
    SELECT EXISTS (SELECT FROM figures_due d WHERE ${isOver(tx)}) AS is_more`
  return row?.is_more === true
}
