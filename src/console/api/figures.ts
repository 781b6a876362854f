import { boundsOf, type Range, searchOf } from '../words/filter.ts'
import type { Minute } from '../words/limit-preview.ts'
import { get } from './client.ts'
import { gatewayNow } from './gateway-clock.ts'

/** Steps that the gateway takes. */
const STEPS_MINUTES = [1, 5, 15, 60, 240]
const LAST_STEP_MINUTES = 1440
const MAX_SPARK_POINTS = 48

/** One point of a series. */
export interface Point {
  readonly at: string
  /** What the series is by: `2xx`, or a route; null for none. */
  readonly key: string | null
  readonly requests: number
  /** Microseconds; null unless asked for. */
  readonly p50: number | null
  readonly p95: number | null
  readonly p99: number | null
}

export interface Series {
  readonly since: string
  readonly until: string
  readonly stepMinutes: number | null
  readonly points: readonly Point[]
}

/** Requests over time, and those of the window of the same length before. */
export interface Compared {
  readonly series: Series
  readonly before: Series
}

/** Requests over time by class of status, in points of a step that the gateway chooses. */
export async function getClasses(range: Range, signal: AbortSignal): Promise<Compared> {
  const { from, to } = boundsOf(range, gatewayNow())
  const start = new Date(from.getTime() - (to.getTime() - from.getTime()))
  const windowOf = (since: Date, until: Date): Range => ({
    since: since.toISOString(),
    until: until.toISOString(),
  })
  const [series, before] = await Promise.all([
    getSeries(windowOf(from, to), { by: 'class' }, signal),
    getSeries(windowOf(start, from), {}, signal),
  ])
  return { series, before }
}

/** Requests of each tenant over time: some two dozen points. */
export async function getTenantSeries(range: Range, signal: AbortSignal): Promise<Series> {
  const { from, to } = boundsOf(range, gatewayNow())
  const minutes = (to.getTime() - from.getTime()) / 60_000
  const step = STEPS_MINUTES.find((one) => minutes / one <= MAX_SPARK_POINTS) ?? LAST_STEP_MINUTES
  return await getSeries(range, { by: 'tenant', step: `${step}m` }, signal)
}

/** How many requests a tenant sent in each minute of the last day in which it sent any, oldest first. */
export async function getMinutes(tenant: string, signal: AbortSignal): Promise<readonly Minute[]> {
  const { points } = await getSeries({ since: '24h', until: '' }, { tenant, step: '1m' }, signal)
  return points.map(({ at, requests }) => ({ minute: Math.floor(Date.parse(at) / 60_000), requests }))
}

/** Percentiles of each route, or of each tenant, in one point of the whole window. */
export async function getLatencies(
  by: 'route' | 'tenant',
  range: Range,
  signal: AbortSignal,
): Promise<Series> {
  return await getSeries(range, { by, step: 'none', percentiles: 'true' }, signal)
}

async function getSeries(
  range: Range,
  parameters: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<Series> {
  const query = new URLSearchParams([...Object.entries(parameters), ...searchOf({}, range)])
  return await get<Series>(`/api/v1/figures/series?${query}`, { signal })
}
