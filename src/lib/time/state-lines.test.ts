import fc from 'fast-check'
import t from 'tap'
import { FakeClock } from '../../test/clock.ts'
import { StateLines } from './state-lines.ts'

const HOUR_MS = 3_600_000

function scene() {
  const clock = new FakeClock()
  const states = new StateLines(clock)
  const lines: string[] = []
  const note = (state: string, thing = 'a'): void => {
    states.note(thing, state, (times) => lines.push(`${thing} ${state} ${times}`))
  }
  return { clock, lines, note }
}

t.test('each new state is told at once, of each thing', async (t) => {
  const { clock, lines, note } = scene()
  note('open')
  note('open', 'b')
  await clock.advance(10)
  note('serving')
  t.same(lines, ['a open 1', 'b open 1', 'a serving 1'])
})

t.test('the same state again and again is told once an hour, with how often it came', async (t) => {
  const { clock, lines, note } = scene()
  for (let i = 0; i < 241; i++) {
    note('open')
    await clock.advance(HOUR_MS / 120)
  }
  t.same(lines, ['a open 1', 'a open 120', 'a open 120'])
  note('serving')
  t.equal(lines.at(-1), 'a serving 1')
})

t.test('what changes all the time is told once a minute, and how it is in the end', async (t) => {
  const { clock, lines, note } = scene()
  for (let i = 0; i < 600; i++) {
    note(i % 2 === 0 ? 'open' : 'serving')
    await clock.advance(1000)
  }
  t.ok(lines.length > 6 && lines.length <= 6 + 10, `${lines.length} lines of 600`)
  await clock.advance(2 * 60_000)
  t.match(lines.at(-1), /^a serving/)
  const before = lines.length
  note('open')
  t.equal(lines.length, before + 1, 'and after a while at once again')
})

t.test('however things change: no more lines than that, and the last one is the state', async (t) => {
  const step = fc.record({
    waitMs: fc.integer({ min: 0, max: 200_000 }),
    state: fc.constantFrom('x', 'y', 'z'),
  })
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 100 }), (steps) => {
      const clock = new FakeClock()
      const states = new StateLines(clock)
      const startMs = clock.nowMs()
      const told: { state: string; times: number }[] = []
      for (const { waitMs, state } of steps) {
        clock.pass(waitMs)
        states.note('a', state, (times) => told.push({ state, times }))
      }
      clock.pass(61_000)
      const ms = clock.nowMs() - startMs
      const times = told.reduce((sum, one) => sum + one.times, 0)
      return (
        told.at(-1)?.state === steps.at(-1)?.state && told.length <= 6 + ms / 60_000 && times <= steps.length
      )
    }),
  )
  t.end()
})
