import t, { type Test } from 'tap'
import { LIMIT_NEWS_INTERVAL_MS, type LimitLoans } from '../../limits/limit-news.ts'
import { startTestWorkers, testWorkers, type TestChild } from '../../test/workers.ts'

/** Longer than a worker may be silent. */
const HANG_MS = 3500

/** The monotonic clock and all timers stand still until `tick`. */
function stopClock(t: Test): { tick: (ms: number) => void } {
  let nowMs = performance.now()
  const timers = new Set<{ run: () => void; dueMs: number }>()
  const real = globalThis.setTimeout
  performance.now = () => nowMs
  const fake = (run: () => void, ms: number): unknown => {
    const timer = { run, dueMs: nowMs + ms }
    timers.add(timer)
    return { unref: () => {}, timer }
  }
  globalThis.setTimeout = fake as unknown as typeof setTimeout
  t.teardown(() => {
    // Its own one is its class'.
    Reflect.deleteProperty(performance, 'now')
    globalThis.setTimeout = real
  })
  const tick = (ms: number): void => {
    nowMs += ms
    for (const timer of timers) {
      if (timer.dueMs > nowMs) continue
      timers.delete(timer)
      timer.run()
    }
  }
  return { tick }
}

function loansTo(child: TestChild): LimitLoans[] {
  return child.told.flatMap((message) => (message.type === 'limits' ? [message.loans] : []))
}

t.test('a worker that hangs is sent no loans, and told the sum once it is heard', async (t) => {
  const { tick } = stopClock(t)
  const { workers, children } = await startTestWorkers(3)
  const [speaker, hanging, other] = children
  if (speaker === undefined || hanging === undefined || other === undefined) throw new Error('there are 3')
  const say = (child: TestChild, used: number, want: number, returned: number): void => {
    child.say({ type: 'limits', news: { buckets: [['t acme', 10, 90, used, want, returned]] } })
    tick(LIMIT_NEWS_INTERVAL_MS)
  }
  say(hanging, 1, 0, 0)
  tick(LIMIT_NEWS_INTERVAL_MS)
  t.match(loansTo(hanging), [{ loans: [['t acme', 10, 90, 1, 0]] }], 'what comes back is lent')
  const toldBefore = hanging.told.length

  tick(HANG_MS)
  for (const child of [speaker, other]) child.beat()
  tick(LIMIT_NEWS_INTERVAL_MS)
  for (const used of [30, 1, 1]) say(speaker, used, 30, 0)
  t.equal(hanging.told.length, toldBefore, 'nothing at all is sent to it, which would wait in our memory')
  t.ok(loansTo(other).length > 0, 'while the others are told')

  hanging.beat()
  tick(LIMIT_NEWS_INTERVAL_MS)
  t.match(loansTo(hanging).slice(1), [{ loans: [['t acme', 10, 90]] }], 'the sum, in one message')
  workers.kill()
})

t.test('processes that were spawned and have nothing to do yet end with the others', async (t) => {
  const { workers, children } = testWorkers(2)
  t.ok(await workers.stop(1000))
  t.strictSame(
    children.map(({ signalCode }) => signalCode),
    ['SIGKILL', 'SIGKILL'],
  )
})
