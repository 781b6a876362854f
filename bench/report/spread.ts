import { median } from './median.ts'

/** How some values lie. */
export interface Spread {
  readonly median: number
  readonly least: number
  readonly most: number
  /** The median of what they were drawn from lies in here in 95 of 100 cases; null: there are too few values to say so. */
  readonly interval: readonly [number, number] | null
}

/** Values outside of the interval, at either end, may have this probability. */
const TAIL = 0.025

/**
 * Median, range and the interval that order statistics give, which asks nothing of the values' distribution but that they are
 * independent: of N, the number below the true median is binomial with one half. Six are the fewest that have one.
 */
export function spreadOf(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b)
  const [least = Number.NaN, most = Number.NaN] = [sorted[0], sorted.at(-1)]
  return { median: median(sorted), least, most, interval: intervalOf(sorted) }
}

function intervalOf(sorted: readonly number[]): readonly [number, number] | null {
  const { length } = sorted
  let left = 0
  // Probability that exactly `left` values lie below the true median, and that at most so many do.
  let exactly = 0.5 ** length
  let atMost = exactly
  while (atMost <= TAIL) {
    left++
    exactly *= (length - left + 1) / left
    atMost += exactly
  }
  const [low, high] = [sorted[left - 1], sorted[length - left]]
  return low === undefined || high === undefined ? null : [low, high]
}
