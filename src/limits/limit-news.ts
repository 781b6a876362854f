/**
 * A worker's news of one bucket: its name, its rate and burst, the requests taken out of it since it last told, how many more it
 * has use for, and how many it gives back. Of places for requests at once the rate is 0, and `used` says how many are in use.
 */
export type BucketNews = readonly [
  name: string,
  perSecond: number,
  burst: number,
  used: number,
  want: number,
  returned: number,
]

/**
 * The primary's news of one bucket for a worker: how many requests more it may admit, how many it shall give back if it can, and what is left in
 * the whole bucket, for Retry-After.
 */
export type Loan = readonly [
  name: string,
  perSecond: number,
  burst: number,
  give: number,
  back: number,
  left: number,
]

/** From a worker: counts, never times, since each process has a monotonic clock of its own. */
export interface LimitNews {
  readonly buckets: readonly BucketNews[]
}

/**
 * To a worker. Nothing is lent to it of the buckets `inUse` when it joins; of those that are `forgotten` each worker holds its first
 * share again. In the order inUse, loans, forgotten.
 */
export interface LimitLoans {
  readonly inUse: readonly (readonly [name: string, perSecond: number, burst: number])[]
  readonly loans: readonly Loan[]
  readonly forgotten: readonly string[]
}

/** How long news are gathered that are not urgent. */
export const LIMIT_NEWS_INTERVAL_MS = 50
/** Urgent ones are at least so far apart. */
export const URGENT_GAP_MS = 20
/** Requests are lent so long before the bucket holds them, so that a client that uses the whole rate does not wait for a message. */
export const ADVANCE_MS = 100

/** The part of an unused bucket that each of `workers` holds. */
export function firstShare(burst: number, workers: number): number {
  return Math.max(1, Math.floor(burst / workers))
}
