/** Upper bounds of the buckets, milliseconds, up to the longest COPY that the default time limit lets pass; one more takes the rest. */
const BOUNDS_MS = [1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000] as const

/** What a histogram holds at a moment. */
export interface DurationCounts {
  readonly boundsMs: readonly number[]
  /** Observations by bucket, not cumulative; one longer than `boundsMs`. */
  readonly counts: readonly number[]
  readonly sumMs: number
}

/** A histogram as plain counters, read at scrape time. */
export class DurationHistogram {
  readonly #counts = Array.from({ length: BOUNDS_MS.length + 1 }, () => 0)
  #sumMs = 0

  observe(durationMs: number): void {
    let bucket = 0
    while (durationMs > (BOUNDS_MS[bucket] ?? Infinity)) bucket++
    this.#counts[bucket] = (this.#counts[bucket] ?? 0) + 1
    this.#sumMs += durationMs
  }

  /** A copy of the numbers at this moment. */
  get reading(): DurationCounts {
    return { boundsMs: BOUNDS_MS, counts: [...this.#counts], sumMs: this.#sumMs }
  }
}
