import t from 'tap'
import { FakeClock } from '../../test/clock.ts'
import { runPhases } from './phases.ts'

const limitMs = (): number => 60_000

t.test('phases run in order, one that fails keeps none from running', async (t) => {
  const ran: string[] = []
  const heard: string[] = []
  const failure = new Error('b broke')
  const results = await runPhases(
    [
      { name: 'a', limitMs, run: async () => void ran.push('a') },
      {
        name: 'b',
        limitMs,
        run: () => {
          ran.push('b')
          throw failure
        },
      },
      { name: 'c', limitMs, run: () => Promise.reject(failure) },
      { name: 'd', limitMs, run: () => ran.push('d') },
    ],
    ({ name }) => heard.push(name),
  )
  t.same(ran, ['a', 'b', 'd'])
  t.same(heard, ['a', 'b', 'c', 'd'])
  t.same(
    results.map(({ error }) => error),
    [null, failure, failure, null],
  )
  t.ok(results.every(({ ms }) => ms >= 0))
})

t.test('a phase that hangs is given up at its limit, and what it comes to later is ignored', async (t) => {
  const clock = new FakeClock()
  let fail: (error: Error) => void = () => {}
  const hanging = new Promise<void>((_, reject) => {
    fail = reject
  })
  const ran: string[] = []
  const running = runPhases(
    [
      { name: 'a', limitMs: () => 100, run: () => hanging },
      { name: 'b', limitMs, run: () => ran.push('b') },
    ],
    ({ name }) => ran.push(`${name} done`),
    clock,
  )
  await clock.advance(99)
  t.same(ran, [])
  await clock.advance(1)
  t.same(ran, ['a done', 'b', 'b done'])
  t.match(await running, [{ name: 'a', ms: 100, error: { code: 'phase_overdue' } }, { error: null }])
  fail(new Error('late'))
  await clock.advance(1)
})
