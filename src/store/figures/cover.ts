import type { Sql, SqlFragment, TransactionSql } from '../sql.ts'
import { minutesOf, type Grain } from './due.ts'

const MINUTE_MS = 60_000

/** Moments from `from` (inclusive) to `to` (exclusive). */
export interface TimeRange {
  readonly from: Date
  readonly to: Date
}

/** How figures and rows are to be joined without counting anything twice, or not at all. */
export interface Cover {
  /** False until the figures have been complete for the first time. */
  readonly isComplete: boolean
  /** First minute whose rows are all there. */
  readonly firstMinute: number
  /** Minutes of the figures that are right: from `first` to before `end`, without those slots. */
  readonly first: number
  readonly end: number
  /** Slots that the figures do not have, or not rightly. */
  readonly fresh: readonly number[]
  /** What is to be read from rows: `fresh` and what the range cuts, as far as it has rows; neighbours as one. */
  readonly rows: readonly TimeRange[]
}

/** What of a range figures of `grain` cover, as of the transaction's snapshot. */
export async function readCover(tx: TransactionSql, grain: Grain, range: TimeRange): Promise<Cover> {
  const [from, to] = [range.from.getTime() / MINUTE_MS, range.to.getTime() / MINUTE_MS]
  const first = Math.floor(from / grain) * grain
  const end = Math.ceil(to / grain) * grain
  const [state] = await tx<{ is_complete: boolean; first_minute: string }[]>`
    SELECT figures_complete AS is_complete, first_minute::text FROM access_minutes_state`
  const rows = await tx<{ slot: number }[]>`
    SELECT slot FROM figures_due WHERE grain = ${grain} AND slot >= ${first} AND slot < ${end}
    UNION SELECT m - m % ${grain}::bigint FROM (
      SELECT unnest(${minutesOf(tx)}) AS m FROM access_minutes_state s JOIN access_ledger l ON l.written_xid >= s.figures_horizon
    ) touched WHERE m >= ${first} AND m < ${end}
    ORDER BY 1`
  const firstMinute = Number(state?.first_minute ?? -Infinity)
  // What is final is right, and has no rows: what the range cuts of it counts whole.
  const cut = [from, to].filter((minute) => minute % grain !== 0).map((m) => Math.floor(m / grain) * grain)
  const fresh = [...new Set([...rows.map(({ slot }) => slot), ...cut])]
    .filter((slot) => slot >= firstMinute)
    .sort((a, b) => a - b)
  return {
    isComplete: state?.is_complete ?? false,
    firstMinute,
    first,
    end,
    fresh,
    rows: rangesWithin(range, grain, fresh),
  }
}

function rangesWithin(range: TimeRange, grain: Grain, slots: readonly number[]): TimeRange[] {
  const ranges: { from: Date; to: Date }[] = []
  for (const slot of slots) {
    const from = new Date(Math.max(slot * MINUTE_MS, range.from.getTime()))
    const to = new Date(Math.min((slot + grain) * MINUTE_MS, range.to.getTime()))
    const last = ranges.at(-1)
    if (last?.to.getTime() === from.getTime()) last.to = to
    else if (from < to) ranges.push({ from, to })
  }
  return ranges
}

/** Whether figure `f` is right and within the range, as a condition. */
export function isCovered(tx: Sql | TransactionSql, cover: Cover): SqlFragment {
  return tx`f.minute >= ${cover.first} AND f.minute < ${cover.end} AND f.minute <> ALL (${[...cover.fresh]}::int[])`
}

/** What stands behind FROM for the rows `e` that are to be read beside the figures; a WHERE may follow as AND. */
export function freshRows(tx: Sql | TransactionSql, cover: Pick<Cover, 'rows'>): SqlFragment {
  const [from, to] = (['from', 'to'] as const).map((end) =>
    cover.rows.map((range) => range[end].toISOString()),
  )
  if (cover.rows.length === 0) return tx`FROM access_log e WHERE false`
  const [only] = cover.rows
  // The planner leaves out partitions by the bounds.
  if (cover.rows.length === 1 && only !== undefined)
    return tx`FROM access_log e WHERE e.started_at >= ${only.from} AND e.started_at < ${only.to}`
  return tx`
    FROM unnest(${from ?? []}::text[]::timestamptz[], ${to ?? []}::text[]::timestamptz[]) w (a, b) CROSS JOIN LATERAL (
      SELECT * FROM access_log l WHERE l.started_at >= w.a AND l.started_at < w.b) e WHERE true`
}

/** Figures of one step that are right, of several steps that are read together. */
export interface Level {
  readonly step: Grain
  readonly first: number
  readonly end: number
  /** Only within these slots of the level above; null for the first. */
  readonly within: { readonly step: Grain; readonly slots: readonly number[] } | null
  readonly fresh: readonly number[]
}

/** Levels, and what is to be read from rows besides. */
export interface Levels {
  readonly isComplete: boolean
  readonly levels: readonly Level[]
  readonly rows: readonly TimeRange[]
}

/**
 * What of a range figures of several steps (descending) cover: what is not over, or due, or cut of a longer step is read from the next, so that
 * of an hour under way only the last minutes are rows. The range ends at whole slots of the shortest step.
 */
export async function readLevels(
  tx: TransactionSql,
  steps: readonly Grain[],
  range: TimeRange,
): Promise<Levels> {
  const [state] = await tx<
    { minutes_from: string }[]
  >`SELECT figures_minutes_from::text AS minutes_from FROM access_minutes_state`
  const minutesFrom = Number(state?.minutes_from ?? 0)
  const shortest = (steps.at(-1) ?? 1) * MINUTE_MS
  const whole = {
    from: new Date(Math.floor(range.from.getTime() / shortest) * shortest),
    to: new Date(Math.ceil(range.to.getTime() / shortest) * shortest),
  }
  const levels: Level[] = []
  let isComplete = true
  for (const step of steps) {
    const cover = await readCover(tx, step, whole)
    isComplete &&= cover.isComplete
    const above = levels.at(-1)
    const within = above === undefined ? null : { step: above.step, slots: above.fresh }
    const longer = new Set(within?.slots)
    const isWithin = (slot: number): boolean => within === null || longer.has(slot - (slot % within.step))
    // Minutes that are not kept any more.
    const gone = step === 1 ? (within?.slots ?? []).filter((slot) => slot < minutesFrom) : []
    const missing = gone.flatMap((slot) => Array.from({ length: within?.step ?? 0 }, (_, i) => slot + i))
    const fresh = [...new Set([...cover.fresh, ...missing])].filter(isWithin).sort((a, b) => a - b)
    levels.push({ step, first: cover.first, end: cover.end, within, fresh })
  }
  const last = levels.at(-1)
  return { isComplete, levels, rows: last === undefined ? [] : rangesWithin(whole, last.step, last.fresh) }
}

/** Whether figure `f`, with a step, is one of those of the levels. */
export function isOfLevels(tx: Sql | TransactionSql, { levels }: Levels): SqlFragment {
  const parts = levels.map(
    ({ step, first, end, within, fresh }) => tx`(
      f.step = ${step} AND f.minute >= ${first} AND f.minute < ${end} AND f.minute <> ALL (${[...fresh]}::int[])
      ${within === null ? tx`` : tx`AND f.minute - f.minute % ${within.step}::int = ANY (${[...within.slots]}::int[])`})`,
  )
  return parts.reduce((all, part) => tx`${all} OR ${part}`, tx`false`)
}
