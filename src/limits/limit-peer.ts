import { type Clock, systemClock } from '../lib/time/clock.ts'
import { firstShare, LIMIT_NEWS_INTERVAL_MS, type LimitNews, URGENT_GAP_MS } from './limit-news.ts'
import type { Bucket, LimitPeers } from './limiter.ts'

/**
 * A worker's side of limits that all workers of a gateway share. It decides alone and at once, from what the primary's bank has lent it
 * (`LimitHub`), and never admits more than that. A worker that runs short asks at once, and has the whole burst, as far as it is there,
 * within D: the way to the primary, to the workers that hold it, and back.
 *
 *   in every window of T seconds the gateway admits at most  max(burst, N) + rate × (T + 0.1 s)
 *
 * for N workers. Proof: what is admitted in the window was lent at its beginning or later. What is lent and what the bank holds
 * are together at most max(burst, N) then; the bank's part grows by the rate, and goes below 0 by what the rate gives in 0.1 s at most. A
 * worker that dies, or is frozen for a second, takes what it held with it: the bank counts it as used. Its successor, which joins
 * with the first share of every bucket that is full, adds at most that share; one that was frozen adds what it held, and owes it.
 */
export class LimitPeer implements LimitPeers {
  readonly #workers: number
  readonly #tell: (news: LimitNews) => void
  readonly #clock: Pick<Clock, 'later'>
  #changed: Bucket[] = []
  #cancel: (() => void) | null = null
  #isUrgent = false
  #isResting = false

  constructor(workers: number, tell: (news: LimitNews) => void, clock: Pick<Clock, 'later'> = systemClock) {
    this.#workers = workers
    this.#tell = tell
    this.#clock = clock
  }

  share(burst: number): number {
    return firstShare(burst, this.#workers)
  }

  took(bucket: Bucket): void {
    bucket.used++
    if (!bucket.isListed) this.#list(bucket)
    if (this.#cancel === null || !this.#isUrgent) this.#arm(bucket.lent * 2 < this.share(bucket.burst))
  }

  lacked(bucket: Bucket): void {
    bucket.lacked++
    if (!bucket.isListed) this.#list(bucket)
    this.#arm(true)
  }

  asked(bucket: Bucket): void {
    if (!bucket.isListed) this.#list(bucket)
    this.#arm(true)
  }

  #list(bucket: Bucket): void {
    bucket.isListed = true
    this.#changed.push(bucket)
  }

  #arm(isUrgent: boolean): void {
    if (this.#cancel !== null) {
      if (!isUrgent || this.#isUrgent) return
      this.#cancel()
    }
    this.#isUrgent = isUrgent
    const ms = isUrgent ? (this.#isResting ? URGENT_GAP_MS : 0) : LIMIT_NEWS_INTERVAL_MS
    this.#cancel = this.#clock.later(ms, () => this.#flush())
  }

  #flush(): void {
    this.#cancel = null
    this.#isUrgent = false
    const listed = this.#changed
    this.#changed = []
    this.#tell({ buckets: listed.map((bucket) => this.#newsOf(bucket)) })
    // What a bucket wanted is told until it wants nothing.
    for (const bucket of listed) if (bucket.wanted > 0 && !bucket.isListed) this.#list(bucket)
    if (this.#changed.length > 0) this.#arm(false)
    if (this.#isResting) return
    this.#isResting = true
    this.#clock.later(URGENT_GAP_MS, () => {
      this.#isResting = false
    })
  }

  #newsOf(bucket: Bucket): LimitNews['buckets'][number] {
    const { name, perSecond, burst, used, lacked, returned, lent, inUse } = bucket
    // As much as lately, and its share; all there is once something was refused.
    const need = lacked > 0 ? burst : used > 0 ? Math.min(burst, this.share(burst) + used) : 0
    const want = Math.max(0, need - (lent - inUse))
    Object.assign(bucket, { used: 0, lacked: 0, returned: 0, wanted: want, isListed: false })
    return [name, perSecond, burst, perSecond === 0 ? inUse : used, want, returned]
  }
}
