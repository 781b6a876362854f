import { AssertionError } from 'node:assert'
import fc from 'fast-check'
import t from 'tap'
import { TestLog } from '../test/log.ts'
import { brokenAccounts, entryOf, failureOf, FakeStore, INSTANCE, sealedBatch } from '../test/writer-parts.ts'
import { Channel } from '../channel/channel.ts'
import { Ledger } from '../channel/ledger.ts'
import { FakeClock } from '../test/clock.ts'
import { assemble } from './assembly.ts'
import { Watchdog } from './watch/watchdog.ts'

const FAULT = /fault of the writer/

/** A log whose writer fails by an assertion: while it encodes (`turn`), or while it decides where a batch goes (`fill`). */
function faultyLog(options: { maxBatchEntries?: number; flushEntries?: number } = {}) {
  const lines: string[] = []
  const armed = { turn: 0, fill: 0 }
  const failAt = (place: 'turn' | 'fill'): void => {
    if (armed[place] === 0 || --armed[place] > 0) return
    throw new AssertionError({ message: `a fault in ${place}` })
  }
  const log = new TestLog({
    options,
    onFill: () => failAt('fill'),
    onLine: (_, message) => lines.push(message),
  })
  const { clock } = log
  const turn = clock.turn.bind(clock)
  clock.turn = async () => {
    await turn()
    failAt('turn')
  }
  const push = (count: number): void => {
    for (let i = 0; i < count; i++) log.channel.push(entryOf())
  }
  return {
    log,
    armed,
    lines,
    push,
    seqs: () => log.store.rows.map(({ seq }) => seq).toSorted((a, b) => a - b),
  }
}

function upTo(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i + 1)
}

t.test('an assertion that fails while a batch is encoded costs no entry', async (t) => {
  const { log, armed, lines, push, seqs } = faultyLog({ maxBatchEntries: 1000, flushEntries: 300 })
  // The first slice has left the channel by then.
  armed.turn = 2
  push(300)
  await log.pass(500)
  t.equal(log.ledger.totals.buffered, 300)
  t.equal(lines.filter((line) => FAULT.test(line)).length, 1)
  t.match(log.writer.stats, { mode: 'copying', consecutiveFailures: 1, lastErrorCode: 'fault' })
  await log.pass(1000)
  t.same(seqs(), upTo(300))
  t.equal(log.store.batches.get(1)?.entries, 300, 'in the batch that was begun')
  t.match(log.writer.stats, { mode: 'idle', consecutiveFailures: 0 })
  t.same(brokenAccounts(log.ledger), [])
})

t.test('an assertion that fails while a batch is delivered costs no entry', async (t) => {
  const { log, armed, push, seqs } = faultyLog()
  log.store.script.push('refuse')
  push(10)
  await log.pass(0)
  // In its back-off, after a failed COPY.
  armed.fill = 1
  await log.pass(3000)
  t.same(seqs(), upTo(10))
  t.same(brokenAccounts(log.ledger), [])
  push(10)
  await log.pass(10)
  t.same(seqs(), upTo(20), 'and it goes on')
})

t.test('a writer that fails by an assertion again and again counts what it lost at its end', async (t) => {
  const { log, push } = faultyLog()
  log.clock.turn = async () => {
    throw new AssertionError({ message: 'for ever' })
  }
  push(10)
  await log.pass(5000)
  const drained = log.writer.drain(3000)
  await log.pass(10_000)
  t.same(await drained, { stored: false, lost: 10, spilled: 0 })
  t.equal(log.ledger.totals.dropped.shutdown, 10)
  t.same(brokenAccounts(log.ledger), [])
})

t.test('a fault that does not end is a stuck loop for the watchdog, and goes on when it ends', async (t) => {
  const { log, push, seqs } = faultyLog()
  const turn = log.clock.turn.bind(log.clock)
  log.clock.turn = async () => {
    await turn()
    throw new AssertionError({ message: 'for ever' })
  }
  const stuck: string[][] = []
  const watchdog = new Watchdog({
    loops: log.writer.loops,
    stuckAfterMs: 60_000,
    clock: log.clock,
    onChange: (loops) => stuck.push(loops.map(({ name }) => name)),
  })
  watchdog.start()
  push(10)
  await log.pass(60_000)
  t.same(stuck, [], 'for half a minute it may pass')
  await log.pass(45_000)
  t.same(stuck, [['writer']])
  t.equal(
    log.channel.reserve('acme'),
    'log_blocked',
    'a strict tenant is promised nothing that no step stores',
  )
  log.clock.turn = turn
  await log.pass(10_000)
  t.same(stuck, [['writer'], []])
  t.equal(log.channel.reserve('acme'), null)
  t.same(seqs(), upTo(10))
  watchdog.stop()
})

t.test('a fault after a batch was stored counts its entries once', async (t) => {
  const lines: string[] = []
  const log = new TestLog({
    onLine: (_, message) => {
      lines.push(message)
      if (message.endsWith('stored again')) throw new AssertionError({ message: 'in the books' })
    },
  })
  log.store.script.push('refuse')
  for (let i = 0; i < 10; i++) log.channel.push(entryOf())
  await log.pass(10_000)
  t.equal(lines.filter((line) => FAULT.test(line)).length, 1)
  t.equal(log.store.sent.length, 2, 'it is not sent again')
  t.match(log.ledger.totals, { stored: 10, buffered: 0 })
  t.same(brokenAccounts(log.ledger), [])
})

t.test("a journal's batch that the disk refuses after the drain's deadline is no fault", async (t) => {
  const lines: string[] = []
  const log = new TestLog({ options: { isJournal: true }, onLine: (_, message) => lines.push(message) })
  log.store.failure = failureOf('retry', 'ECONNREFUSED')
  const release = log.disk.hang()
  for (let i = 0; i < 10; i++) log.channel.push(entryOf())
  await log.pass(100)
  const drained = log.writer.drain(500)
  // The disk gives up what it began before the deadline.
  await log.pass(2000)
  t.equal(log.writer.stats.mode, 'stopped')
  await log.pass(5000)
  t.same(await drained, { stored: false, lost: 10, spilled: 0 })
  t.notOk(lines.some((line) => FAULT.test(line)))
  t.same(brokenAccounts(log.ledger), [])
  release()
})

t.test('a second batch in hand is a fault, and leaves the first where it is', async (t) => {
  const clock = new FakeClock()
  const store = new FakeStore(clock)
  const ledger = new Ledger()
  const tell = (): void => {}
  const { delivery } = assemble({
    channel: new Channel({ capacityEntries: 100, capacityBytes: 1e6, ledger }),
    ledger,
    store,
    ensurePartitions: async () => {},
    instance: INSTANCE,
    options: {
      flushEntries: 10,
      flushIntervalMs: 100,
      maxBatchEntries: 10,
      maxBatchBytes: 1e6,
      backoffMinMs: 100,
      backoffMaxMs: 100,
    },
    logger: { info: tell, warn: tell, error: tell },
    clock,
  })
  const first = delivery.deliver(sealedBatch([entryOf()]), 'size')
  const message = 'a delivery goes from copying to taken'
  await t.rejects(delivery.deliver(sealedBatch([entryOf()], { number: 2 }), 'size'), { message })
  t.equal(await first, true)
  t.same([...store.batches.keys()], [1])
  t.equal(await delivery.deliver(sealedBatch([entryOf()], { number: 2 }), 'size'), true, 'and it can go on')
})

t.test('law 3 and law 4 hold through assertions that fail at any time', async () => {
  const step = fc.oneof(
    fc.record({ act: fc.constant('push' as const), n: fc.integer({ min: 1, max: 60 }) }),
    fc.record({ act: fc.constantFrom('turn' as const, 'fill' as const), n: fc.integer({ min: 1, max: 4 }) }),
    fc.record({ act: fc.constant('fail' as const), n: fc.integer({ min: 1, max: 3 }) }),
    fc.record({ act: fc.constant('pass' as const), n: fc.integer({ min: 1, max: 40 }) }),
  )
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
      const { log, armed, push, seqs } = faultyLog()
      for (const { act, n } of steps) {
        if (act === 'push') push(n)
        else if (act === 'pass') await log.pass(n * 50)
        else if (act === 'fail') for (let i = 0; i < n; i++) log.store.script.push('lost_ack', 'refuse')
        else armed[act] = n
        if (brokenAccounts(log.ledger).length > 0) return false
      }
      armed.turn = 0
      armed.fill = 0
      log.store.script.length = 0
      await log.pass(20_000)
      const drained = log.writer.drain(5000)
      await log.pass(20_000)
      const { lost, spilled } = await drained
      const accepted = log.channel.lastSeq
      return (
        lost === 0 &&
        spilled === 0 &&
        brokenAccounts(log.ledger).length === 0 &&
        JSON.stringify(seqs()) === JSON.stringify(upTo(accepted))
      )
    }),
    { numRuns: 60 },
  )
})
