import t from 'tap'
import { FakeClock } from '../test/clock.ts'
import { LoanWaiters } from './loan-waiters.ts'

t.test('F8: who waits is asked at each news until it is settled', (t) => {
  const waiters = new LoanWaiters()
  const asked: boolean[] = []
  let isSettled = false
  waiters.add((isLast) => {
    asked.push(isLast)
    return isSettled
  })
  waiters.look()
  isSettled = true
  waiters.look()
  waiters.look()
  t.same(asked, [false, false])
  t.end()
})

t.test('F8: without news it is decided for good, in bounded time', async (t) => {
  const clock = new FakeClock()
  const waiters = new LoanWaiters(clock)
  const asked: boolean[] = []
  waiters.add((isLast) => {
    asked.push(isLast)
    return isLast
  })
  await clock.advance(49)
  t.same(asked, [false, false, false, false])
  await clock.advance(1)
  t.equal(asked.at(-1), true)
  t.equal(clock.timers, 0)
})

t.test('F8: a bounded number waits; what is added meanwhile is kept', (t) => {
  const waiters = new LoanWaiters()
  let added = 0
  while (waiters.add(() => true)) added++
  t.equal(added, 1024)
  waiters.look()
  let asked = 0
  waiters.add(() => waiters.add(() => ++asked > 0))
  waiters.look()
  waiters.look()
  t.equal(asked, 1)
  t.end()
})
