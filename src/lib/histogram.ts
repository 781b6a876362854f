/** Upper bounds, in seconds, for requests: from a cached small file to a slow download of gigabytes. */
export const REQUEST_BOUNDS_SECONDS: readonly number[] = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 120, 600,
]

/** One observation that stands for those of its bucket: where to look for what such a one was. */
export interface Exemplar {
  /** Lower-case hex, 32 and 16 digits. */
  readonly traceId: string
  readonly spanId: string
  readonly seconds: number
  /** When it was made, epoch milliseconds. */
  readonly atMs: number
}

/** What a reader may see of a histogram. */
export interface HistogramReading {
  /** Inclusive upper bounds, ascending. */
  readonly boundsSeconds: readonly number[]
  /** Observations per bucket, not cumulative; one longer than the bounds, the last being "beyond all of them". */
  readonly counts: Readonly<Float64Array>
  readonly sumSeconds: number
  /** The newest of each bucket that has one, by the bucket's index. */
  readonly exemplars?: ReadonlyMap<number, Exemplar>
}

/**
 * Counts durations into buckets, for the hot path: a short loop over a number array, one increment, one addition.
 * Made cumulative only when it is read (Prometheus text format, `le` labels).
 */
export class HistogramCounts implements HistogramReading {
  readonly boundsSeconds: readonly number[]
  readonly counts: Float64Array
  sumSeconds = 0
  readonly exemplars = new Map<number, Exemplar>()

  /** `boundsSeconds` must be finite and ascending; a RangeError otherwise. */
  constructor(boundsSeconds: readonly number[]) {
    let previous = -Infinity
    for (const bound of boundsSeconds) {
      if (!Number.isFinite(bound) || bound <= previous)
        throw new RangeError('bounds must be finite and ascending')
      previous = bound
    }
    this.boundsSeconds = boundsSeconds
    this.counts = new Float64Array(boundsSeconds.length + 1)
  }

  /** Adds one duration. Never throws: what is negative or no number counts as 0, lest one NaN spoil the sum for ever. */
  observe(seconds: number): void {
    const value = seconds > 0 ? seconds : 0
    const bucket = this.#bucketOf(value)
    this.counts[bucket] = (this.counts[bucket] as number) + 1
    this.sumSeconds += value
  }

  /** Keeps one that was observed, in place of the last of its bucket. For the few that are traced: it costs an object. */
  exemplify(exemplar: Exemplar): void {
    this.exemplars.set(this.#bucketOf(exemplar.seconds), exemplar)
  }

  #bucketOf(seconds: number): number {
    const bounds = this.boundsSeconds
    let bucket = 0
    // Linear, because most requests end in one of the first buckets.
    while (bucket < bounds.length && seconds > (bounds[bucket] as number)) bucket++
    return bucket
  }
}
