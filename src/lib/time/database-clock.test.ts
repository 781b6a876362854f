import fc from 'fast-check'
import t from 'tap'
import { DatabaseClock } from './database-clock.ts'

function clockAt(start: { wall: number; tick: number }) {
  const at = { ...start }
  const clock = new DatabaseClock({ wall: () => at.wall, tick: () => at.tick })
  const pass = (ms: number): void => {
    at.wall += ms
    at.tick += ms
  }
  return { at, clock, pass }
}

const HOUR_MS = 3_600_000

t.test('before the database has told, the wall clock of the start goes on, whatever steps', (t) => {
  const { at, clock, pass } = clockAt({ wall: 1_000_000_000, tick: 5000 })
  t.equal(clock.offsetMs, null)
  pass(100)
  t.equal(clock.nowMs(), 1_000_000_100)
  at.wall -= HOUR_MS
  t.equal(clock.nowMs(), 1_000_000_100)
  t.end()
})

t.test("D1: a wall clock that is ahead, behind or steps does not move the database's time", (t) => {
  for (const offset of [40 * 24 * HOUR_MS, -40 * 24 * HOUR_MS, 1500]) {
    const { at, clock, pass } = clockAt({ wall: 2e12 + offset, tick: 0 })
    clock.observe(2e12 + 2, 0, 4)
    t.equal(clock.nowMs(), 2e12)
    t.equal(clock.offsetMs, offset)
    pass(HOUR_MS)
    t.equal(clock.nowMs(), 2e12 + HOUR_MS, 'it goes on while the database is away')
    at.wall += 10 * HOUR_MS
    t.equal(clock.nowMs(), 2e12 + HOUR_MS)
    t.equal(clock.offsetMs, offset + 10 * HOUR_MS)
    at.wall = 2e12 + HOUR_MS + 300
    t.equal(clock.nowMs(), at.wall, 'a wall clock that was set right is shown again')
  }
  t.end()
})

t.test('a look that took long does not make it worse; one that proves it wrong moves it', (t) => {
  const { at, clock, pass } = clockAt({ wall: 2e12 - HOUR_MS, tick: 0 })
  clock.observe(2e12, 0, 2)
  const before = clock.nowMs()
  clock.observe(2e12 + 1500, 0, 3000)
  t.equal(clock.nowMs(), before)
  pass(1000)
  // The machine slept: the monotonic clock stood still.
  clock.observe(2e12 + HOUR_MS, 1000, 1004)
  t.ok(Math.abs(clock.nowMs() - (2e12 + HOUR_MS)) <= 4)
  t.ok(at.wall > 0)
  t.end()
})

t.test('after any looks the time is within the last of them', (t) => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.integer({ min: 0, max: 10_000 }), fc.double({ min: 0, max: 1, noNaN: true })), {
        minLength: 1,
      }),
      fc.integer({ min: -1e10, max: 1e10 }),
      (looks, offset) => {
        const { at, clock, pass } = clockAt({ wall: 2e12 + offset, tick: 0 })
        for (const [took, part] of looks) {
          const asked = at.tick
          const databaseMs = 2e12 + at.tick + took * part
          pass(took)
          clock.observe(databaseMs, asked, at.tick)
          if (Math.abs(clock.nowMs() - (2e12 + at.tick)) > Math.max(took, 1000) + 0.01) return false
        }
        return true
      },
    ),
  )
  t.end()
})

t.test('D14: a clock that was behind is taken for behind, until the database tells', (t) => {
  const { clock, pass } = clockAt({ wall: 1e12, tick: 5 })
  clock.assumeBehind(60_000)
  t.equal(clock.nowMs(), 1e12 + 60_000)
  pass(1000)
  t.equal(clock.nowMs(), 1e12 + 61_000)
  clock.observe(1e12 + 1000, clock.tick(), clock.tick())
  clock.assumeBehind(60_000)
  t.equal(clock.nowMs(), 1e12 + 1000)
  t.end()
})
