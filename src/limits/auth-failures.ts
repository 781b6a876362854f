import { gcraRemaining, gcraTake, gcraWaitMs, type GcraBucket } from '../lib/gcra.ts'
import type { LimitRefusal } from './limiter.ts'

/** How many wrong credentials a source may present before it is throttled. */
export interface FailureLimit {
  /** Above 0. */
  readonly perMinute: number
  readonly burst: number
  /** Sources that are told apart at once. */
  readonly maxSources: number
}

/**
 * Counts wrong credentials by source. A source is a text that a stranger can have many of, so the map is bounded: the source that
 * has presented none for the longest makes room. Kept in the order of the last failure.
 */
export class AuthFailures {
  readonly #buckets = new Map<string, GcraBucket>()
  readonly #limit: FailureLimit
  readonly #perSecond: number

  constructor(limit: FailureLimit) {
    this.#limit = limit
    this.#perSecond = limit.perMinute / 60
  }

  get size(): number {
    return this.#buckets.size
  }

  /** Counts a failure of the source; when it has had too many says so, and takes nothing. `nowMs` must be monotonic. */
  note(source: string, nowMs: number): LimitRefusal | null {
    const { burst, maxSources } = this.#limit
    let bucket = this.#buckets.get(source)
    if (bucket !== undefined) this.#buckets.delete(source)
    else {
      bucket = { tatMs: 0 }
      if (this.#buckets.size >= maxSources) this.#dropOldest()
    }
    this.#buckets.set(source, bucket)
    const waitMs = gcraWaitMs(bucket, this.#perSecond, burst, nowMs)
    if (waitMs === 0) {
      gcraTake(bucket, this.#perSecond, nowMs)
      return null
    }
    return {
      policy: 'auth_throttled',
      quota: burst,
      windowSeconds: Math.max(1, Math.ceil(burst / this.#perSecond)),
      remaining: gcraRemaining(bucket, this.#perSecond, burst, nowMs),
      retryAfterSeconds: Math.max(1, Math.ceil(waitMs / 1000)),
    }
  }

  /** Forgets sources whose bucket is full again, which loses nothing, from the oldest on. */
  evictFull(nowMs: number): void {
    for (const [source, { tatMs }] of this.#buckets) {
      if (tatMs > nowMs) return
      this.#buckets.delete(source)
    }
  }

  #dropOldest(): void {
    const oldest = this.#buckets.keys().next()
    if (oldest.done !== true) this.#buckets.delete(oldest.value)
  }
}
