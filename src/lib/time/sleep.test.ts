import t from 'tap'
import { FakeClock, settle } from '../../test/clock.ts'
import { sleep, until } from './sleep.ts'

t.test('a sleep ends at its time or with its signal, and leaves no timer', async (t) => {
  const clock = new FakeClock()
  for (const isBackground of [false, true]) {
    let isOver = false
    const signal = new AbortController()
    void sleep(100, { clock, isBackground, signal: signal.signal }).then(() => (isOver = true))
    await clock.advance(99)
    t.equal(isOver, false)
    if (isBackground) signal.abort()
    else await clock.advance(1)
    await settle()
    t.equal(isOver, true)
    t.equal(clock.timers, 0)
  }
  await sleep(100, { clock, signal: AbortSignal.abort() })
  t.equal(clock.timers, 0, 'one that has aborted before has it not even begin')
})

t.test('looks until it is so, the last time when the time is over', async (t) => {
  const clock = new FakeClock()
  const startMs = clock.nowMs()
  const looks: number[] = []
  const look = (soAtMs: number) => () => {
    looks.push(clock.nowMs() - startMs)
    return clock.nowMs() - startMs >= soAtMs
  }
  t.equal(await until(look(0), { everyMs: 10, ms: 0, clock }), true, 'at once')
  const found = until(look(20), { everyMs: 10, ms: 25, clock })
  await clock.advance(25)
  t.equal(await found, true)
  t.same(looks.splice(0), [0, 0, 10, 20])
  const missed = until(async () => look(1000)(), { everyMs: 10, ms: 25, clock })
  await clock.advance(25)
  t.equal(await missed, false)
  t.same(looks, [25, 35, 45, 50])
  t.equal(clock.timers, 0)
  await t.rejects(
    until(() => Promise.reject(new Error('no')), { everyMs: 10, ms: 25, clock }),
    { message: 'no' },
  )
})
