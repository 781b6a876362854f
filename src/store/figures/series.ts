import { CANARY_TENANT } from '../../model/canary.ts'
import { StoreError } from '../errors.ts'
import type { Sql, SqlFragment, TransactionSql } from '../sql.ts'
import { asTenant } from '../tenant-scope.ts'
import { classOf } from './compute.ts'
import { freshRows, isOfLevels, type Levels, readLevels } from './cover.ts'
import type { Grain } from './due.ts'
import { bucketOf, quantilesOf, readElement } from './sketch.ts'

const MINUTE_MS = 60_000

/** Points of a query at most: those of a day by the minute, of some keys. */
const MAX_POINTS = 50_000
/** Buckets of durations at most, over all points. */
const MAX_BUCKETS = 500_000

/** What a chart is of. */
export interface SeriesQuery {
  /** Of this tenant; then neither by route nor by outcome. */
  readonly tenant?: string
  readonly route?: string
  /** Inclusive; the beginning of its step. */
  readonly since: Date
  /** Exclusive. */
  readonly until: Date
  /** Whole minutes of a point; null for one point of all. Points begin at multiples of it since 1970. */
  readonly stepMinutes: number | null
  /** A series for each; one series unless told. */
  readonly by?: 'class' | 'outcome' | 'route' | 'tenant'
  /** Whether percentiles are asked for: they take several times as long. */
  readonly hasPercentiles?: boolean
}

/** A point of a series. */
export interface SeriesPoint {
  readonly at: Date
  /** Of `by`; null for none, or where there is one series. */
  readonly key: string | null
  readonly requests: number
  readonly bytes_received: number
  readonly bytes_sent: number
  /** Microseconds, 4.4 % off at most; null unless asked for. */
  readonly p50: number | null
  readonly p95: number | null
  readonly p99: number | null
}

/** A series as far as it is known. */
export interface Series {
  readonly points: readonly SeriesPoint[]
  /** False while figures of the window are still being computed. */
  readonly isComplete: boolean
  /** Since when figures of so short a step are kept, where the window begins before: points of before are missing. Else null. */
  readonly keptSince: Date | null
}

/**
 * Requests, bytes and percentiles of durations over time, in order of time and key; points without a request are left out. The steps
 * of the figures that fit are read, of what is not over the rows. Rejects with a RangeError for a query that is not possible, and with the StoreError
 * `series_too_large` for more points than are read: a series is whole.
 */
export async function readSeries(sql: Sql, query: SeriesQuery): Promise<Series> {
  const isOfTenants = query.tenant !== undefined || query.by === 'tenant'
  if (isOfTenants && (query.route !== undefined || query.by === 'route' || query.by === 'outcome'))
    throw new RangeError('series of tenants are by class or tenant')
  const { stepMinutes } = query
  if (stepMinutes !== null && !(Number.isInteger(stepMinutes) && stepMinutes > 0))
    throw new RangeError('the step must be whole minutes')
  const steps = stepsOf(query, isOfTenants)
  const table = isOfTenants ? 'figures_tenants' : 'figures_routes'
  const levels = async (tx: TransactionSql): Promise<SeriesLevels> => ({
    ...(await readLevels(tx, steps, { from: beginOf(query), to: query.until })),
    keptSince: await readKept(tx, `${table}/${steps[0] ?? 1}`, beginOf(query)),
  })
  const read = async (tx: TransactionSql, found: SeriesLevels): Promise<Series> => {
    const rows = await readCounts(tx, query, found)
    const buckets = query.hasPercentiles === true ? await readBuckets(tx, query, found) : null
    return { isComplete: found.isComplete, keptSince: found.keptSince, points: pointsOf(rows, buckets) }
  }
  if (query.tenant !== undefined) return await asTenant(sql, query.tenant, read, levels)
  return await sql.begin('isolation level repeatable read read only', async (tx) =>
    read(tx, await levels(tx)),
  )
}

type SeriesLevels = Levels & Pick<Series, 'keptSince'>

/** Since when the figures of a table and step are kept, where `from` is before; what is before is read neither from them nor from rows. */
async function readKept(tx: TransactionSql, name: string, from: Date): Promise<Date | null> {
  const [row] = await tx<{ minute: number | null }[]>`
    SELECT (figures_kept ->> ${name})::bigint AS minute FROM access_minutes_state`
  const keptMs = (row?.minute ?? 0) * MINUTE_MS
  return from.getTime() < keptMs ? new Date(keptMs) : null
}

function beginOf({ since, stepMinutes }: SeriesQuery): Date {
  const ms = (stepMinutes ?? 1) * MINUTE_MS
  return new Date(Math.floor(since.getTime() / ms) * ms)
}

/** Steps of the figures, the longest that fits first. */
function stepsOf({ since, until, stepMinutes }: SeriesQuery, isOfTenants: boolean): readonly Grain[] {
  const kept: readonly Grain[] = isOfTenants ? [60, 1] : [60, 15, 1]
  const minutes = (until.getTime() - since.getTime()) / MINUTE_MS
  const fits = kept.filter((step) => (stepMinutes ?? minutes) >= step && (stepMinutes ?? step) % step === 0)
  return fits.length === 0 ? [1] : fits
}

interface CountRow {
  readonly slot: number
  readonly key: string | null
  readonly requests: number
  readonly bytes_received: number
  readonly bytes_sent: number
}

interface BucketRow {
  readonly slot: number
  readonly key: string | null
  readonly bucket: number
  readonly n: number
}

interface Parts {
  /** Slot and key of a figure `f` and of a row `e`. */
  readonly figure: SqlFragment
  readonly row: SqlFragment
  readonly figures: SqlFragment
  readonly rows: SqlFragment
}

function partsOf(tx: TransactionSql, query: SeriesQuery, levels: Levels): Parts {
  const { tenant, route, by, stepMinutes } = query
  const isOfTenants = tenant !== undefined || by === 'tenant'
  const slotOf = (minute: SqlFragment) =>
    stepMinutes === null
      ? tx`${beginOf(query).getTime() / MINUTE_MS}::int`
      : tx`${minute} / ${stepMinutes}::int * ${stepMinutes}::int`
  const keys = {
    class: [tx`f.status_class || 'xx'`, tx`${classOf(tx)} || 'xx'`],
    outcome: [tx`nullif(f.outcome, '')`, tx`e.outcome`],
    route: [tx`nullif(f.route, '')`, tx`e.route`],
    tenant: [tx`nullif(f.tenant, '')`, tx`e.tenant`],
  } as const
  const [figureKey = tx`NULL::text`, rowKey = tx`NULL::text`] = by === undefined ? [] : keys[by]
  const only = (table: 'e' | 'f') => tx`
    ${tenant === undefined ? tx`` : tx`AND ${tx(table)}.tenant = ${tenant}`}
    ${route === undefined ? tx`` : tx`AND ${tx(table)}.route = ${route}`}`
  return {
    figure: tx`${slotOf(tx`f.minute`)} AS slot, ${figureKey} AS key`,
    row: tx`${slotOf(tx`floor(date_part('epoch', e.started_at) / 60)::int`)} AS slot, ${rowKey} AS key`,
    figures: tx`${tx(isOfTenants ? 'figures_tenants' : 'figures_routes')} f WHERE (${isOfLevels(tx, levels)}) ${only('f')}`,
    rows: tx`${freshRows(tx, levels)} AND e.tenant IS DISTINCT FROM ${CANARY_TENANT} ${only('e')}`,
  }
}

async function readCounts(tx: TransactionSql, query: SeriesQuery, levels: Levels): Promise<CountRow[]> {
  const parts = partsOf(tx, query, levels)
  const rows = await tx<CountRow[]>`
    SELECT slot, key, sum(n)::bigint AS requests, sum(received)::bigint AS bytes_received, sum(sent)::bigint AS bytes_sent FROM (
      SELECT ${parts.figure}, f.n, f.bytes_received AS received, f.bytes_sent AS sent FROM ${parts.figures}
      UNION ALL SELECT ${parts.row}, 1, e.bytes_received, e.bytes_sent ${parts.rows}) p
    GROUP BY 1, 2 ORDER BY 1, 2 LIMIT ${MAX_POINTS + 1}`
  return requireAtMost(MAX_POINTS, rows)
}

async function readBuckets(tx: TransactionSql, query: SeriesQuery, levels: Levels): Promise<BucketRow[]> {
  const parts = partsOf(tx, query, levels)
  const { bucket, n } = readElement(tx)
  const rows = await tx<BucketRow[]>`
    SELECT slot, key, bucket, sum(n)::bigint AS n FROM (
      SELECT slot, key, ${bucket} AS bucket, ${n} AS n FROM (SELECT ${parts.figure}, unnest(f.sketch) AS e FROM ${parts.figures}) u
      UNION ALL SELECT ${parts.row}, ${bucketOf(tx, tx`e.duration_us`)}, 1 ${parts.rows}) p
    GROUP BY 1, 2, 3 LIMIT ${MAX_BUCKETS + 1}`
  return requireAtMost(MAX_BUCKETS, rows)
}

function requireAtMost<T>(most: number, rows: T[]): T[] {
  if (rows.length <= most) return rows
  const message = 'the series has too many points: ask for a longer step, a shorter window, or fewer of them'
  throw new StoreError('series_too_large', message)
}

function pointsOf(rows: readonly CountRow[], buckets: readonly BucketRow[] | null): SeriesPoint[] {
  const counts = new Map<string, Map<number, number>>()
  const nameOf = (row: { slot: number; key: string | null }): string => `${row.slot} ${row.key ?? ''}`
  for (const row of buckets ?? []) {
    const name = nameOf(row)
    let found = counts.get(name)
    if (found === undefined) counts.set(name, (found = new Map()))
    found.set(row.bucket, row.n)
  }
  return rows.map((row) => {
    const [p50 = null, p95 = null, p99 = null] = quantilesOf(
      counts.get(nameOf(row)) ?? new Map(),
      [0.5, 0.95, 0.99],
    )
    const { slot, key, requests, bytes_received, bytes_sent } = row
    return { at: new Date(slot * MINUTE_MS), key, requests, bytes_received, bytes_sent, p50, p95, p99 }
  })
}
