import { outcomesOf } from '../../model/outcome.ts'
import type { Sql } from '../sql.ts'
import { readScoped } from '../tenant-scope.ts'
import { inWindow, sampled, shareOf, type Basis, type BoundedFilter } from './sample.ts'

/** Bins at most. */
export const MAX_BINS = 120

const SECOND_MS = 1000
const MINUTE_MS = 60 * SECOND_MS
const HOUR_MS = 60 * MINUTE_MS
const DAY_MS = 24 * HOUR_MS

/** Widths that people read easily; beyond them whole days. */
const STEPS_MS = [
  ...[1, 2, 5, 10, 15, 30].map((n) => n * SECOND_MS),
  ...[1, 2, 5, 10, 15, 30].map((n) => n * MINUTE_MS),
  ...[1, 2, 3, 6, 12].map((n) => n * HOUR_MS),
]

/** Outcomes with which the gateway refuses a request. */
export const REFUSED_OUTCOMES: ReadonlySet<string> = new Set(
  (['auth', 'limit', 'other'] as const).flatMap(outcomesOf),
)

/** Entries that started within a step from `at` on. */
export interface Bin {
  readonly at: Date
  readonly n: number
  /** With a status of 500 or more, and not refused by the gateway. */
  readonly errors: number
  /** Refused by the gateway. */
  readonly refused: number
}

/** Entries over time. The counts of a sample are what it makes them to be. */
export interface Histogram extends Basis {
  readonly stepMs: number
  readonly items: readonly Bin[]
}

/** Counts the entries by time, empty bins included. With a tenant, only of it. Ends after the statement under way with the signal. */
export async function countByTime(sql: Sql, filter: BoundedFilter, signal: AbortSignal): Promise<Histogram> {
  const [fromMs, toMs] = [filter.since.getTime(), filter.until.getTime()]
  const stepMs = stepOf(fromMs, toMs)
  return await readScoped(sql, filter.tenant, async (tx) => {
    const share = await shareOf(tx, filter)
    signal.throwIfAborted()
    const isRefused = tx`e.outcome = ANY (${[...REFUSED_OUTCOMES]}::text[])`
    const counted = await tx<{ bin: number; n: number; errors: number; refused: number }[]>`
      SELECT floor(extract(epoch FROM e.started_at) * 1000 / ${stepMs}::bigint)::bigint AS bin, count(*)::int AS n,
        (count(*) FILTER (WHERE e.status >= 500 AND NOT ${isRefused}))::int AS errors,
        (count(*) FILTER (WHERE ${isRefused}))::int AS refused
      FROM ${sampled(tx, share)} WHERE ${inWindow(tx, filter)} GROUP BY 1`
    const byBin = new Map(counted.map((row) => [row.bin, row]))
    const scaled = (n = 0): number => Math.round(n / share)
    const first = Math.floor(fromMs / stepMs)
    const items = Array.from({ length: Math.ceil(toMs / stepMs) - first }, (_, i) => {
      const { n, errors, refused } = byBin.get(first + i) ?? {}
      const at = new Date((first + i) * stepMs)
      return { at, n: scaled(n), errors: scaled(errors), refused: scaled(refused) }
    })
    const rows = counted.reduce((sum, { n }) => sum + n, 0)
    return { isSample: share < 1, rows, stepMs, items }
  })
}

/** The least step with which a window has at most `MAX_BINS` bins, which begin at multiples of it. */
export function stepOf(fromMs: number, toMs: number): number {
  const fits = (stepMs: number): boolean => Math.ceil(toMs / stepMs) - Math.floor(fromMs / stepMs) <= MAX_BINS
  const found = STEPS_MS.find(fits)
  if (found !== undefined) return found
  let days = Math.max(1, Math.floor((toMs - fromMs) / (MAX_BINS * DAY_MS)))
  while (!fits(days * DAY_MS)) days++
  return days * DAY_MS
}
