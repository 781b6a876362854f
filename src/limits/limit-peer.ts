import { LIMIT_NEWS_INTERVAL_MS, type LimitNews } from './limit-news.ts'
import type { Bucket, LimitPeers } from './limiter.ts'

/**
 * A worker's side of limits that all workers of a gateway share. Each worker decides alone and at once, from what it took
 * itself and what it has heard of the others; it hears of everything within some delay D. So
 *
 *   in every window of T seconds the gateway admits at most  burst + rate × T + (N - 1) × (burst + rate × D)
 *
 * for N workers. Proof: look at the last request of the window, admitted by worker i at t. What i knows of was charged to its
 * bucket within the window, so it is at most burst + rate × T. It does not know of what the N - 1 others admitted in the last D
 * seconds, and each of them, by its own bucket, admitted at most burst + rate × D in those. What was too much is charged to
 * every bucket as soon as it is heard of: a debt, paid back before anybody admits again, so the excess comes once and does
 * not add up. A worker that dies takes what it had not told with it: at most burst + rate × D more.
 */
export class LimitPeer implements LimitPeers {
  readonly #tell: (news: LimitNews) => void
  readonly #schedule: (run: () => void, ms: number) => void
  #taken: Bucket[] = []
  readonly #inFlight = new Map<string, number>()
  /** Tenants that the others take to have requests in flight here. */
  readonly #told = new Set<string>()
  #isScheduled = false

  constructor(
    tell: (news: LimitNews) => void,
    schedule: (run: () => void, ms: number) => void = (run, ms) => void setTimeout(run, ms).unref(),
  ) {
    this.#tell = tell
    this.#schedule = schedule
  }

  took(bucket: Bucket): void {
    if (bucket.untold++ === 0) this.#taken.push(bucket)
    if (!this.#isScheduled) this.#arm()
  }

  admitted(tenant: string, inFlight: number): void {
    this.#inFlight.set(tenant, inFlight)
    if (!this.#isScheduled) this.#arm()
  }

  released(tenant: string, inFlight: number): void {
    // Most tenants have no limit of requests at once, and nobody was told of theirs.
    if (!this.#told.has(tenant) && !this.#inFlight.has(tenant)) return
    this.#inFlight.set(tenant, inFlight)
    if (!this.#isScheduled) this.#arm()
  }

  #arm(): void {
    this.#isScheduled = true
    this.#schedule(() => this.#flush(), LIMIT_NEWS_INTERVAL_MS)
  }

  #flush(): void {
    this.#isScheduled = false
    const takes = this.#taken.map((bucket) => {
      const requests = bucket.untold
      bucket.untold = 0
      return [bucket.name, bucket.perSecond, bucket.burst, requests] as const
    })
    this.#taken = []
    const inFlight = [...this.#inFlight]
    this.#inFlight.clear()
    for (const [tenant, requests] of inFlight) {
      if (requests > 0) this.#told.add(tenant)
      else this.#told.delete(tenant)
    }
    if (takes.length + inFlight.length > 0) this.#tell({ takes, inFlight })
  }
}
