import t from 'tap'
import { rowOf, stackOf } from './stack.ts'

const MINUTE = 60_000
const at = (minute: number): string => new Date(minute * MINUTE).toISOString()

t.test('points stand upon each other, with a column for each step', (t) => {
  const { seconds, tops, totals } = stackOf(
    [
      { at: at(1), key: '2xx', requests: 3 },
      { at: at(1), key: '5xx', requests: 2 },
      { at: at(3), key: '4xx', requests: 1 },
    ],
    { since: new Date(1.5 * MINUTE), until: new Date(4 * MINUTE), stepMs: MINUTE },
  )
  t.same(seconds, [60, 120, 180])
  t.same(tops['2xx'], [3, 0, 0])
  t.same(tops['4xx'], [3, 0, 1])
  t.same(tops['5xx'], [5, 0, 1])
  t.same(totals, { '1xx': 0, '2xx': 3, '3xx': 0, '4xx': 1, '5xx': 2 })
  t.end()
})

t.test('what has no class or no place in the window is neither lost in the sum nor drawn beside it', (t) => {
  const window = { since: new Date(0), until: new Date(2 * MINUTE), stepMs: MINUTE }
  const { tops, totals } = stackOf(
    [
      { at: at(0), key: null, requests: 1 },
      { at: at(9), key: '2xx', requests: 4 },
    ],
    window,
  )
  t.same(tops['1xx'], [1, 0])
  t.equal(totals['2xx'], 0)
  t.end()
})

t.test('a row has a place for each step of its window', (t) => {
  const window = { since: new Date(1.5 * MINUTE), until: new Date(4 * MINUTE), stepMs: MINUTE }
  const points = [
    { at: at(1), requests: 3 },
    { at: at(3), requests: 1 },
    { at: at(7), requests: 9 },
  ]
  t.same(rowOf(points, window), [3, 0, 1])
  t.end()
})
