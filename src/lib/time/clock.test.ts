import t from 'tap'
import { FakeClock } from '../../test/clock.ts'
import { steppingClock, systemClock } from './clock.ts'

t.test('a step is told of at the end of each wait, and of none that was cancelled', async (t) => {
  const fake = new FakeClock()
  let steps = 0
  const clock = steppingClock(fake, () => void steps++)
  const order: string[] = []
  clock.after(10, () => order.push(`after ${steps}`))
  clock.later(20, () => order.push(`later ${steps}`))
  clock.after(15, () => order.push('cancelled'))()
  await fake.advance(30)
  t.same(order, ['after 1', 'later 2'])
  await clock.turn()
  t.equal(steps, 3)
  t.equal(clock.nowMs(), fake.nowMs())
})

t.test('a wait of months is not over at once', async (t) => {
  let isOver = false
  const end = (): void => {
    isOver = true
  }
  const cancels = [systemClock.after(100 * 86_400_000, end), systemClock.later(100 * 86_400_000, end)]
  // Node would have taken it for 1 ms: a timer of 2 ms that is set later comes after it.
  await new Promise<void>((resolve) => void systemClock.after(2, resolve))
  for (const cancel of cancels) cancel()
  t.equal(isOver, false)
  t.ok(Math.abs(systemClock.nowMs() - Date.now()) < 60_000, 'it tells the time of day')
})
