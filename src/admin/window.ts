import type { TimeZone } from '../model/time-zone.ts'
import { readParameters, SLUG, TIME_ZONE, timeAt } from './parameters.ts'
import { ParameterError } from './problem.ts'
import type { AdminQueries } from './queries.ts'

const DAY_MS = 86_400_000

/** A tenant and a window of time. */
export interface WindowFilter {
  readonly tenant?: string
  readonly since: Date
  readonly until: Date
}

/**
 * A tenant and a window of bounded length, up to now unless told; `timezone` is a parameter where there is a `timeZone`. Throws a ParameterError.
 */
export function readWindow(
  query: URLSearchParams,
  nowMs: number,
  bounds: WindowBounds & { readonly timeZone?: TimeZone },
): WindowFilter {
  const { timeZone } = bounds
  const given = readParameters(query, {
    tenant: SLUG,
    since: timeAt(nowMs, timeZone),
    until: timeAt(nowMs, timeZone),
    ...(timeZone === undefined ? {} : { timezone: TIME_ZONE }),
  })
  const window = windowOf(given, nowMs, bounds)
  return { ...(given.tenant === undefined ? {} : { tenant: given.tenant }), ...window }
}

/** How long a window is unless told, and at most. */
export interface WindowBounds {
  readonly defaultDays: number
  readonly maxDays: number
}

/** The window of the times that were given. Throws a ParameterError where it is none, or too long. */
export function windowOf(
  given: { readonly since?: Date; readonly until?: Date },
  nowMs: number,
  { defaultDays, maxDays }: WindowBounds,
): { since: Date; until: Date } {
  const until = given.until ?? new Date(nowMs)
  const since = given.since ?? new Date(until.getTime() - defaultDays * DAY_MS)
  requireOrder(since, until)
  if (until.getTime() - since.getTime() > maxDays * DAY_MS) {
    throw new ParameterError([{ parameter: 'since', detail: `must be at most ${maxDays} days before until` }])
  }
  return { since, until }
}

/** Now, by the database's clock. */
export async function nowOf(queries: AdminQueries): Promise<number> {
  return (await queries.nowMs?.()) ?? Date.now()
}

/** Throws a ParameterError where the window would end before it begins. */
export function requireOrder(since: Date | undefined, until: Date | undefined): void {
  if (since !== undefined && until !== undefined && since >= until) {
    throw new ParameterError([{ parameter: 'since', detail: 'must be before until' }])
  }
}
