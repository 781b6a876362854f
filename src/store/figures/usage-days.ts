import type { SqlFragment, TransactionSql } from '../sql.ts'
import { type Cover, isCovered, readCover, type TimeRange } from './cover.ts'

/** Minutes of a row of `figures_usage`. */
const GRAIN = 15
const DAY_MINUTES = 1440

/** Days that one run sums at most. */
const MAX_DAYS = 4

/** Where usage of a range is read from. */
export interface UsageCover extends Cover {
  /** Whole days of UTC, by their first minutes, that are read from their sums. */
  readonly days: readonly number[]
}

/** As `readCover`, of usage. `hasDays`: whether sums of whole days of UTC will do, which know neither key nor reason. */
export async function readUsageFigures(
  tx: TransactionSql,
  range: TimeRange,
  hasDays: boolean,
): Promise<UsageCover> {
  const cover = await readCover(tx, GRAIN, range)
  const first = Math.ceil(cover.first / DAY_MINUTES) * DAY_MINUTES
  const end = Math.floor(cover.end / DAY_MINUTES) * DAY_MINUTES
  if (!hasDays || first >= end) return { ...cover, days: [] }
  const due = await tx<{ minute: number }[]>`
    SELECT minute FROM figures_usage_days_due WHERE minute >= ${first} AND minute < ${end}`
  const unusable = new Set([
    ...due.map(({ minute }) => minute),
    ...cover.fresh.map((slot) => slot - (slot % DAY_MINUTES)),
  ])
  const days: number[] = []
  for (let day = first; day < end; day += DAY_MINUTES) if (!unusable.has(day)) days.push(day)
  return { ...cover, days }
}

/** Figures of usage that are right and within the range, without what is to be read from rows; `only` is a condition on `f`, begun by AND. */
export function usageFigures(tx: TransactionSql, cover: UsageCover, only: SqlFragment): SqlFragment {
  return tx`
    SELECT f.minute, f.tenant, f.key_id, f.route, f.outcome, f.reason, f.status_class, f.refusal, f.n::bigint AS n, f.bytes_received,
      f.bytes_sent
    FROM figures_usage f WHERE ${isCovered(tx, cover)} ${isBeside(tx, cover)} ${only}
    UNION ALL
    SELECT f.minute, f.tenant, '', f.route, f.outcome, '', f.status_class, f.refusal, f.n, f.bytes_received, f.bytes_sent
    FROM figures_usage_days f WHERE f.minute = ANY (${[...cover.days]}::int[]) ${only}`
}

/** Whether `f` is of none of the days: as ranges, for which there is an index. */
function isBeside(tx: TransactionSql, { first, end, days }: UsageCover): SqlFragment {
  if (days.length === 0) return tx``
  const between = [first - DAY_MINUTES, ...days].map((day, i) => [day + DAY_MINUTES, days[i] ?? end] as const)
  const parts = between
    .filter(([from, to]) => from < to)
    .map(([from, to]) => tx`(f.minute >= ${from} AND f.minute < ${to})`)
  return tx`AND (${parts.reduce((all, part) => tx`${all} OR ${part}`, tx`false`)})`
}

/** Sums days whose usage has changed, once they are over and all their quarters of an hour are computed: the newest, a few of them. Gives how many. */
export async function sumUsageDays(tx: TransactionSql): Promise<number> {
  const days = await tx<{ minute: number }[]>`
    DELETE FROM figures_usage_days_due WHERE minute IN (
      SELECT d.minute FROM figures_usage_days_due d WHERE ${isDayOver(tx)} AND NOT EXISTS (
        SELECT FROM figures_due p WHERE p.grain = ${GRAIN} AND p.slot >= d.minute AND p.slot < d.minute + ${DAY_MINUTES}::int)
      ORDER BY d.minute DESC LIMIT ${MAX_DAYS})
    RETURNING minute`
  for (const { minute } of days) {
    await tx`DELETE FROM figures_usage_days WHERE minute = ${minute}`
    await tx`
      INSERT INTO figures_usage_days (bytes_received, bytes_sent, n, minute, status_class, refusal, tenant, route, outcome)
      SELECT sum(bytes_received), sum(bytes_sent), sum(n), ${minute}, status_class, refusal, tenant, route, outcome
      FROM figures_usage WHERE minute >= ${minute} AND minute < ${minute + DAY_MINUTES} GROUP BY 5, 6, 7, 8, 9`
  }
  return days.length
}

/** Whether days are left that are over. */
export async function hasDueDays(tx: TransactionSql): Promise<boolean> {
  const [row] = await tx<{ is_more: boolean }[]>`
    SELECT EXISTS (SELECT FROM figures_usage_days_due d WHERE ${isDayOver(tx)}) AS is_more`
  return row?.is_more === true
}

/** A day `d` that is over, by the database's clock. */
function isDayOver(tx: TransactionSql): SqlFragment {
  return tx`d.minute + ${DAY_MINUTES}::int <= floor(extract(epoch FROM clock_timestamp()) / 60)::bigint`
}
