/** Requests taken out of one bucket: its name, its rate and burst, and how many. */
export type BucketTakes = readonly [name: string, perSecond: number, burst: number, requests: number]

/** Requests of a tenant in flight: a level, not a change. */
export type TenantInFlight = readonly [tenant: string, requests: number]

/**
 * What processes that share limits tell each other: counts, never times, since each has a monotonic clock of its own.
 * From a worker: what it took since it last told, and what it has in flight. To a worker: the same of all others together.
 */
export interface LimitNews {
  readonly takes: readonly BucketTakes[]
  readonly inFlight: readonly TenantInFlight[]
}

/** How long each side gathers before it tells; the way from one worker to another is twice that and two event loop turns. */
export const LIMIT_NEWS_INTERVAL_MS = 50
