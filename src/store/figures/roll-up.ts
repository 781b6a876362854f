import type { Sql, TransactionSql } from '../sql.ts'
import {
  computeMinutes,
  computePackages,
  computeUsage,
  type MinuteRange,
  sumPackages,
  sumRoutes,
  sumTenants,
  takeOverUsage,
} from './compute.ts'
import { type Grain, hasDue, mendHorizon, noteBatches, seedDue, takeDue, takeFinished } from './due.ts'
import { hasDueDays, sumUsageDays } from './usage-days.ts'

/** One gateway at a time keeps the figures; the lock ends with its transaction. Not the lock of programs of before (9_299_458), nor that of the partitions of deliveries (migration 0120). */
const FIGURES_LOCK_KEY = 9_299_464

const DAY_MINUTES = 1440

/** What one run takes on at most, by the minutes of a slot: two to four hours of rows, however many are due. */
const MAX_SLOTS: Readonly<Record<Grain, number>> = { 1: 120, 15: 8, 60: 4, 1440: 4 }

/** Quarters of an hour whose rows are gone: sums of sums. */
const MAX_TAKEN_OVER = 200

const STATEMENT_TIMEOUT_MS = 600_000

/** What a run has done. */
export interface RollUpRun {
  /** `busy`: another gateway is at it. `caught_up`: nothing is left. `more`: call again at once. */
  readonly state: 'busy' | 'caught_up' | 'more'
  /** Slots that were computed. */
  readonly slots: number
}

/**
 * Brings the figures up to date with what was stored since the last run, in one transaction: what begins in a minute in which an entry of a
 * newly stored batch started is computed anew, once it is over, from all its rows, and replaces what was there. So it is right
 * after any run, retry or replay, in whatever order batches are stored. The newest first; bounded per call.
 *
 * How far it has come is a transaction id, the horizon (`noteBatches`). A long writing transaction, even of another database of the
 * server, so delays the figures; readers take rows meanwhile.
 *
 * Needs a handle that permits long statements (`openControl` with `hasLongStatements`), and one of its own.
 */
export async function rollUp(sql: Sql): Promise<RollUpRun> {
  return await sql.begin(async (tx) => {
    if (!(await lockFigures(tx))) return { state: 'busy' as const, slots: 0 }
    await mendHorizon(tx)
    await seedDue(tx)
    const { isReached } = await noteBatches(tx)
    const slots = await computeDue(tx)
    const isDone = isReached && !(await hasDue(tx)) && !(await hasDueDays(tx))
    if (isDone) await tx`UPDATE access_minutes_state SET figures_complete = true WHERE NOT figures_complete`
    return { state: isDone ? ('caught_up' as const) : ('more' as const), slots }
  })
}

/** False when another process has it. Statements of the transaction may take long, and sort in memory. */
export async function lockFigures(tx: TransactionSql): Promise<boolean> {
  const [lock] = await tx<{ taken: boolean }[]>`
    SELECT pg_try_advisory_xact_lock(${FIGURES_LOCK_KEY}) AS taken,
      set_config('statement_timeout', ${String(STATEMENT_TIMEOUT_MS)}, true), set_config('work_mem', '64MB', true)`
  return lock?.taken === true
}

async function computeDue(tx: TransactionSql): Promise<number> {
  const minutes = await takeDue(tx, 1, MAX_SLOTS[1])
  for (const range of rangesOf(minutes)) await computeMinutes(tx, range)
  const quarters = await takeDue(tx, 15, MAX_SLOTS[15])
  for (const range of quarters.map((first) => ({ first, end: first + 15 }))) {
    await computeUsage(tx, range)
    await sumRoutes(tx, range)
  }
  const finished = await takeFinished(tx, MAX_TAKEN_OVER)
  if (finished.length > 0) await takeOverUsage(tx, finished)
  const hours = await takeDue(tx, 60, MAX_SLOTS[60])
  for (const range of hours.map((first) => ({ first, end: first + 60 }))) {
    await sumRoutes(tx, range)
    await sumTenants(tx, range)
    await computePackages(tx, range)
  }
  const days = await takeDue(tx, 1440, MAX_SLOTS[1440])
  for (const first of days) await sumPackages(tx, { first, end: first + DAY_MINUTES })
  const sums = await sumUsageDays(tx)
  return minutes.length + quarters.length + finished.length + hours.length + days.length + sums
}

/** Neighbours as one; never more than a day of UTC, which is final as a whole. */
export function rangesOf(minutes: readonly number[]): MinuteRange[] {
  const ranges: { first: number; end: number }[] = []
  for (const minute of minutes) {
    const last = ranges.at(-1)
    if (last !== undefined && last.end === minute && minute % DAY_MINUTES !== 0) last.end++
    else ranges.push({ first: minute, end: minute + 1 })
  }
  return ranges
}
