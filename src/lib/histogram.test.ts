import { array, assert, double, property } from 'fast-check'
import t from 'tap'
import { HistogramCounts, REQUEST_BOUNDS_SECONDS } from './histogram.ts'

t.test('a duration falls into the first bucket whose bound is not below it', async (t) => {
  const histogram = new HistogramCounts([0.1, 1])
  for (const seconds of [0, 0.1, 0.100001, 1, 1.5, Infinity]) histogram.observe(seconds)
  t.strictSame([...histogram.counts], [2, 2, 2])
})

t.test('what is no duration counts as 0', async (t) => {
  const histogram = new HistogramCounts([0.1])
  histogram.observe(Number.NaN)
  histogram.observe(-5)
  t.strictSame([...histogram.counts], [2, 0])
  t.equal(histogram.sumSeconds, 0)
})

t.test('every observation is counted once and summed', async () => {
  assert(
    property(array(double({ min: 0, max: 1e4, noNaN: true })), (durations) => {
      const histogram = new HistogramCounts(REQUEST_BOUNDS_SECONDS)
      for (const seconds of durations) histogram.observe(seconds)
      const isBelow = REQUEST_BOUNDS_SECONDS.every((bound, index) => {
        const cumulative = histogram.counts.slice(0, index + 1).reduce((sum, n) => sum + n, 0)
        return cumulative === durations.filter((seconds) => seconds <= bound).length
      })
      const total = histogram.counts.reduce((sum, n) => sum + n, 0)
      return (
        isBelow && total === durations.length && histogram.sumSeconds === durations.reduce((a, b) => a + b, 0)
      )
    }),
  )
})

t.test('of each bucket the newest exemplar is kept, and it is not counted again', async (t) => {
  const histogram = new HistogramCounts([0.1, 1])
  const exemplar = { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), seconds: 0.05, atMs: 1 }
  histogram.exemplify(exemplar)
  histogram.exemplify({ ...exemplar, seconds: 0.1, atMs: 2 })
  histogram.exemplify({ ...exemplar, seconds: 5, atMs: 3 })
  t.strictSame(
    [...histogram.exemplars].map(([bucket, { atMs }]) => [bucket, atMs]),
    [
      [0, 2],
      [2, 3],
    ],
  )
  t.strictSame([...histogram.counts], [0, 0, 0])
})

t.test('bounds must be finite and ascending', async (t) => {
  for (const bounds of [[1, 1], [2, 1], [Number.NaN], [1, Infinity]])
    t.throws(() => new HistogramCounts(bounds), RangeError)
  t.doesNotThrow(() => new HistogramCounts(REQUEST_BOUNDS_SECONDS))
})
