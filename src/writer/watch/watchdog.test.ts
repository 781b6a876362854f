import t from 'tap'
import { TestLog } from '../../test/log.ts'
import { FakeClock, settle } from '../../test/clock.ts'
import { entryOf, failureOf } from '../../test/writer-parts.ts'
import { Watchdog } from './watchdog.ts'

const MINUTE_MS = 60_000

t.test(
  'a loop that takes no step although something waits is stuck, and no longer when it goes on',
  async (t) => {
    const clock = new FakeClock()
    let steps = 0
    let isPending = false
    const told: string[][] = []
    const watchdog = new Watchdog({
      loops: [{ name: 'writer', isPending: () => isPending, steps: () => steps }],
      stuckAfterMs: MINUTE_MS,
      clock,
      onChange: (stuck) => void told.push(stuck.map(({ name }) => name)),
    })
    watchdog.start()
    await clock.advance(10 * MINUTE_MS)
    t.same(watchdog.stuck, [], 'nothing to do, nothing done')
    isPending = true
    await clock.advance(MINUTE_MS - 1)
    t.same(watchdog.stuck, [], 'what has begun to wait is given the whole time')
    await clock.advance(1000)
    t.match(watchdog.stuck, [{ name: 'writer', stuckMs: MINUTE_MS }])
    await clock.advance(MINUTE_MS)
    t.match(watchdog.stuck, [{ name: 'writer', stuckMs: 2 * MINUTE_MS }])
    steps++
    await clock.advance(5000)
    t.same(watchdog.stuck, [])
    t.same(told, [['writer'], []], 'each change is told once')
    for (let i = 0; i < 100; i++) {
      await clock.advance(MINUTE_MS * 0.9)
      steps++
    }
    t.same(watchdog.stuck, [], 'steps count, however few')
    watchdog.stop()
    t.equal(clock.timers, 0)
  },
)

/** A writer whose parts hang when they are told to. */
function rigOf({ hasSpill = true } = {}) {
  const log = new TestLog({ spillMaxBytes: hasSpill ? 1e6 : 0 })
  const { clock, store, disk, channel, ledger, writer } = log
  const hung = { store: false, disk: false }
  const never = new Promise<never>(() => {})
  const storeBatch = store.store.bind(store)
  store.store = async (batch, more) => (hung.store ? await never : await storeBatch(batch, more))
  const open = disk.open.bind(disk)
  disk.open = async (path, flags) => (hung.disk ? await never : await open(path, flags))
  const watchdog = new Watchdog({
    loops: writer.loops,
    stuckAfterMs: MINUTE_MS,
    clock,
    onChange: () => {},
  })
  watchdog.start()
  /** Lets so many minutes pass, with traffic. Returns what was stuck at any look. */
  const pass = async (minutes: number): Promise<string[]> => {
    const stuck = new Set<string>()
    for (let i = 0; i < minutes * 12; i++) {
      channel.push(entryOf({ startedAtMs: clock.nowMs() }))
      await settle()
      await clock.advance(5000)
      for (const { name } of watchdog.stuck) stuck.add(name)
    }
    return [...stuck].sort()
  }
  return { clock, store, hung, writer, pass, ledger }
}

t.test('a database that is there, away, slow, refusing, or full is no reason', async (t) => {
  for (const hasSpill of [true, false]) {
    const { store, pass, ledger } = rigOf({ hasSpill })
    t.same(await pass(5), [], 'there')
    store.failure = failureOf('retry', 'ECONNREFUSED')
    t.same(await pass(20), [], 'away')
    store.failure = failureOf('unusable', '42501')
    t.same(await pass(5), [], 'refusing')
    store.failure = null
    store.slowMs = 9000
    t.same(await pass(5), [], 'slow')
    store.slowMs = 0
    store.script.push('hang', 'hang', 'hang')
    t.same(await pass(5), [], 'silent until the time is up')
    t.match(ledger.totals, { buffered: 0, spilled: 0 })
  }
})

t.test('a call of the database that never ends makes the writer stuck', async (t) => {
  const { hung, pass } = rigOf({ hasSpill: false })
  t.same(await pass(1), [])
  hung.store = true
  t.same(await pass(3), ['writer'])
})

t.test('with a spill the writer goes on, and it is the replay that is stuck', async (t) => {
  const { hung, pass, ledger } = rigOf()
  t.same(await pass(1), [])
  hung.store = true
  t.same(await pass(3), ['replay'])
  t.ok(ledger.totals.spilled > 30)
})

t.test(
  'a disk that never answers is taken for full: nobody is stuck, and what waits is stored in the end',
  async (t) => {
    const { store, hung, pass, ledger } = rigOf()
    store.failure = failureOf('retry', 'ECONNREFUSED')
    hung.disk = true
    t.same(await pass(3), [])
    t.match(ledger.totals, { stored: 0, spilled: 0 })
    store.failure = null
    t.same(await pass(1), [])
    t.match(ledger.totals, { buffered: 0, spilled: 0 })
  },
)
