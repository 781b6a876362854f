import fc from 'fast-check'
import t from 'tap'
import { MAX_ROWS, TailBuffer } from './tail-buffer.ts'

const row = (n: number): { id: string } => ({ id: String(n) })

t.test('newest first, each once, and the rows of before below', async (t) => {
  const tail = new TailBuffer<{ id: string }>()
  for (const n of [3, 4, 3, 5]) tail.take(row(n))
  t.equal(tail.rows.length, 0)
  t.equal(tail.fresh, 3)
  tail.show()
  tail.putBefore([row(3), row(2), row(1)])
  t.strictSame(
    tail.rows.map(({ id }) => id),
    ['5', '4', '3', '2', '1'],
  )
  t.equal(tail.came, 3)
})

t.test('what came was shown, waits, or is said to be left out', async (t) => {
  const step = fc.oneof(
    fc.record({ take: fc.integer({ min: 1, max: 2500 }) }),
    fc.record({ again: fc.integer({ min: 0, max: 5000 }) }),
    fc.constant('show' as const),
  )
  const isAllTold = fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
    const tail = new TailBuffer<{ id: string }>()
    const shown = new Set<string>()
    let next = 0
    for (const one of [...steps, 'show' as const]) {
      if (one === 'show') tail.show()
      else if ('take' in one) for (let i = 0; i < one.take; i++) tail.take(row(next++))
      else if (one.again < next) tail.take(row(one.again))
      for (const { id } of tail.rows) shown.add(id)
      if (tail.rows.length > MAX_ROWS) return false
    }
    return tail.came === next && shown.size + tail.leftOut === next
  })
  t.doesNotThrow(() => fc.assert(isAllTold, { numRuns: 60 }))
})

t.test('what the gateway did not send is left out, counted or not', async (t) => {
  const tail = new TailBuffer<{ id: string }>()
  tail.miss(7)
  tail.miss(null)
  t.match(tail, { leftOut: 7, isMoreLeftOut: true, came: 0 })
})
