import t from 'tap'
import { spreadOf } from './spread.ts'

const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i + 1)

t.test('the interval of the median is the one that tables of order statistics give', async (t) => {
  // Ranks of the 95 % interval of a median by N, from the binomial distribution.
  const table = { 6: [1, 6], 8: [1, 8], 9: [2, 8], 11: [2, 10], 12: [3, 10], 20: [6, 15], 25: [8, 18] }
  for (const [count, ranks] of Object.entries(table))
    t.strictSame(spreadOf(upTo(Number(count))).interval, ranks, `${count} values`)
})

t.test('fewer than six values have no interval', async (t) => {
  for (const count of [1, 2, 5]) t.equal(spreadOf(upTo(count)).interval, null, `${count} values`)
  const none = spreadOf([])
  t.equal(none.interval, null)
  t.ok(Number.isNaN(none.median))
})

t.test('values come in any order', async (t) => {
  t.strictSame(spreadOf([3, 1, 2, 6, 5, 4]), { median: 3.5, least: 1, most: 6, interval: [1, 6] })
})
