import t from 'tap'
import { orderOfRound } from './round-order.ts'

t.test('of two neighbours either is measured first in half of the rounds', async (t) => {
  for (const count of [2, 3, 13]) {
    const all = Array.from({ length: count }, (_, i) => i)
    let first = 0
    for (let round = 1; round <= 20; round++) {
      const order = orderOfRound(all, round)
      t.strictSame(
        order.toSorted((a, b) => a - b),
        all,
        'each takes part once',
      )
      if (order.indexOf(0) < order.indexOf(1)) first++
    }
    t.equal(first, 10, `${count} candidates`)
  }
})

t.test('not always the same candidate begins', async (t) => {
  const begins = new Set([1, 2, 3, 4, 5, 6].map((round) => orderOfRound(['a', 'b', 'c'], round)[0]))
  t.equal(begins.size, 3)
})

t.test('nobody takes part: no order', async (t) => {
  t.strictSame(orderOfRound([], 3), [])
})
