import { boundsOf, type Range } from '../words/filter.ts'
import { get } from './client.ts'

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

/** Requests over time by class of status, in points of a step that the gateway chooses. */
export async function getClasses(range: Range, signal: AbortSignal): Promise<Series> {
  return await getSeries(range, { by: 'class' }, signal)
}

/** Percentiles of each route, in one point of the whole window. */
export async function getLatencies(range: Range, signal: AbortSignal): Promise<Series> {
  return await getSeries(range, { by: 'route', step: 'none', percentiles: 'true' }, signal)
}

async function getSeries(
  range: Range,
  parameters: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<Series> {
  const { from, to } = boundsOf(range, new Date())
  const query = new URLSearchParams({ ...parameters, since: from.toISOString(), until: to.toISOString() })
  return await get<Series>(`/api/v1/figures/series?${query}`, { signal })
}
