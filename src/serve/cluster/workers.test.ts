import t, { type Test } from 'tap'
import { LIMIT_NEWS_INTERVAL_MS, type LimitNews } from '../../limits/limit-news.ts'
import { startTestWorkers, testWorkers, type TestChild } from './test-workers.ts'

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

function newsTo(child: TestChild): LimitNews[] {
  return child.told.flatMap((message) => (message.type === 'limits' ? [message.news] : []))
}

void t.test('a worker that hangs is sent no news of limits, and told the sum once it is heard', async (t) => {
  const { tick } = stopClock(t)
  const { workers, children } = await startTestWorkers(3)
  const [speaker, hanging, other] = children
  if (speaker === undefined || hanging === undefined || other === undefined) throw new Error('there are 3')
  const take = (requests: number): void => {
    speaker.say({
      type: 'limits',
      news: { takes: [['acme', 10, 100, requests]], inFlight: [['acme', requests]] },
    })
    tick(LIMIT_NEWS_INTERVAL_MS)
  }
  take(1)
  t.same(newsTo(hanging), [{ takes: [['acme', 10, 100, 1]], inFlight: [['acme', 1]] }])
  const toldBefore = hanging.told.length

  tick(HANG_MS)
  for (const child of [speaker, other]) child.beat()
  tick(LIMIT_NEWS_INTERVAL_MS)
  for (const requests of [2, 3, 4]) take(requests)
  t.equal(hanging.told.length, toldBefore, 'nothing at all is sent to it, which would wait in our memory')
  t.equal(newsTo(other).length, 4, 'while the others are told each time')
  t.same(newsTo(speaker), [], 'and nobody what it told itself')

  hanging.beat()
  tick(LIMIT_NEWS_INTERVAL_MS)
  t.same(
    newsTo(hanging).slice(1),
    [{ takes: [['acme', 10, 100, 9]], inFlight: [['acme', 4]] }],
    'the sum of what was taken, and how many are in flight now, in one message',
  )
  tick(LIMIT_NEWS_INTERVAL_MS)
  t.equal(newsTo(hanging).length, 2, 'once')
  workers.kill()
})

void t.test('processes that were spawned and have nothing to do yet end with the others', async (t) => {
  const { workers, children } = testWorkers(2)
  t.ok(await workers.stop(1000))
  t.strictSame(
    children.map(({ signalCode }) => signalCode),
    ['SIGKILL', 'SIGKILL'],
  )
})
