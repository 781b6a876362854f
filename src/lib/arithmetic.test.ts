import { array, assert, boolean, constantFrom, double, integer, property } from 'fast-check'
import t from 'tap'
import { backoffMs } from './time/backoff.ts'
import { gcraRemaining, gcraTake, gcraWaitMs } from './gcra.ts'
import { Ring } from './ring.ts'

t.test('a ring is a bounded queue: nothing lost, nothing doubled, in order', async () => {
  assert(
    property(integer({ min: 1, max: 300 }), array(boolean(), { maxLength: 1500 }), (capacity, steps) => {
      const ring = new Ring<number>(capacity)
      const model: number[] = []
      for (const [i, isPush] of steps.entries()) {
        if (isPush) {
          if (ring.push(i) !== model.length < capacity) return false
          if (model.length < capacity) model.push(i)
        } else if (ring.peek() !== model[0] || ring.shift() !== model.shift()) return false
        if (ring.size !== model.length) return false
      }
      return true
    }),
  )
})

t.test('a ring without room is refused', async (t) => {
  for (const capacity of [0, -1, 1.5, Number.NaN, Infinity]) t.throws(() => new Ring(capacity), RangeError)
})

t.test('a back-off grows, stays within its bounds and is never near zero', async () => {
  assert(
    property(
      integer({ min: 0, max: 2000 }),
      integer({ min: 1, max: 1000 }),
      integer({ min: 1, max: 100_000 }),
      double({ min: 0, max: 0.999_999, noNaN: true }),
      (attempt, min, span, random) => {
        const max = min + span
        const ms = backoffMs(attempt, min, max, () => random)
        const ceiling = Math.min(max, min * 2 ** Math.min(attempt, 30))
        return ms <= max && ms >= ceiling / 2 && ms <= Math.ceil(ceiling) && Number.isInteger(ms)
      },
    ),
  )
})

t.test(
  'what a bucket says remains is what it admits, and after the wait it names it admits again',
  async () => {
    assert(
      // Rates whose interval a double holds exactly: this is about the rule, not about rounding.
      property(
        constantFrom(0.125, 0.5, 1, 2, 4, 8, 64, 1024),
        integer({ min: 1, max: 100 }),
        integer({ min: 0, max: 100 }),
        integer({ min: 0, max: 10_000_000 }),
        (rate, burst, taken, now) => {
          const bucket = { tatMs: 0 }
          const start = Math.max(now, 1)
          for (let i = 0; i < Math.min(taken, burst); i++) gcraTake(bucket, rate, start)
          const remaining = gcraRemaining(bucket, rate, burst, start)
          let admitted = 0
          while (gcraWaitMs(bucket, rate, burst, start) === 0 && admitted <= burst) {
            gcraTake(bucket, rate, start)
            admitted++
          }
          const wait = gcraWaitMs(bucket, rate, burst, start)
          return (
            admitted === remaining && wait > 0 && gcraWaitMs(bucket, rate, burst, start + wait + 1e-3) === 0
          )
        },
      ),
    )
  },
)
