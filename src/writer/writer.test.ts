import fc from 'fast-check'
import t from 'tap'
import { Channel } from '../channel/channel.ts'
import { Ledger } from '../channel/ledger.ts'
import { FakeClock, settle } from '../test/clock.ts'
import {
  type Behaviour,
  brokenAccounts,
  entryOf,
  failureOf,
  FakeStore,
  INSTANCE,
  WRITER_OPTIONS,
} from '../test/writer-parts.ts'
import type { WriterOptions } from './assembly.ts'
import { Writer } from './writer.ts'

interface Line {
  readonly level: string
  readonly message: string
  readonly fields: object
}

function rigOf(
  options: Partial<WriterOptions> & { capacityEntries?: number; ensure?: 'works' | 'fails' | 'hangs' } = {},
) {
  const clock = new FakeClock()
  const ledger = new Ledger()
  const channel = new Channel({
    capacityEntries: options.capacityEntries ?? 1000,
    capacityBytes: 1e7,
    ledger,
  })
  const store = new FakeStore(clock)
  const lines: Line[] = []
  const asked: (readonly string[])[] = []
  const log = (level: string) => (fields: object, message: string) =>
    void lines.push({ level, message, fields })
  const writer = new Writer({
    channel,
    ledger,
    store,
    ensurePartitions: async (days) => {
      asked.push(days)
      if (options.ensure === 'hangs') await new Promise(() => {})
      if (options.ensure === 'fails') throw new Error('no')
      for (const day of days) store.days.add(day)
    },
    instance: INSTANCE,
    options: { ...WRITER_OPTIONS, ...options },
    logger: { info: log('info'), warn: log('warn'), error: log('error') },
    clock,
    random: () => 0.999,
  })
  writer.start()
  const push = (n: number, fields: Parameters<typeof entryOf>[0] = {}): void => {
    for (let i = 0; i < n; i++) channel.push(entryOf(fields))
  }
  return { clock, ledger, channel, store, writer, lines, asked, push }
}

t.test('copies as soon as flushEntries wait, without waiting for the timer', async (t) => {
  const { clock, store, writer, push } = rigOf()
  push(9)
  await settle()
  t.equal(store.rows.length, 0)
  t.equal(writer.stats.mode, 'collecting')
  push(1)
  await settle()
  t.equal(store.rows.length, 10)
  t.equal(writer.stats.mode, 'idle')
  t.equal(clock.timers, 0, 'no timer runs when idle')
  t.equal(writer.stats.triggers.size, 1)
})

t.test('copies when the oldest entry has waited flushIntervalMs', async (t) => {
  const { clock, store, writer, push } = rigOf()
  push(1)
  await clock.advance(1500)
  push(1)
  t.equal(writer.stats.oldestUnflushedAgeMs, 1500)
  await clock.advance(499)
  t.equal(store.rows.length, 0)
  await clock.advance(2)
  t.equal(store.rows.length, 2)
  t.equal(writer.stats.triggers.interval, 1)
  t.equal(writer.stats.oldestUnflushedAgeMs, 0)
})

t.test('copies a backlog back to back in full batches, and the last rows with it', async (t) => {
  const { store, writer, push, ledger } = rigOf()
  push(123)
  await settle()
  await settle()
  t.same(
    [...store.batches.values()].map(({ entries }) => entries),
    [50, 50, 23],
  )
  t.same(writer.stats.triggers, { size: 3, interval: 0, flush: 0, drain: 0 })
  t.match(ledger.totals, { accepted: 123, stored: 123, buffered: 0 })
})

t.test('holds the batch while Postgres is away and sends the same bytes under the same number', async (t) => {
  const { clock, store, writer, ledger, lines, push } = rigOf({ capacityEntries: 30 })
  store.failure = failureOf('retry', 'ECONNREFUSED')
  push(10, { tenant: 'a' })
  await settle()
  t.equal(writer.stats.mode, 'backing_off')
  push(40, { tenant: 'b' })
  await clock.advance(60_000)
  t.match(ledger.totals, { buffered: 40, dropped: { channel_full: 10 } })
  t.same(brokenAccounts(ledger), [])
  t.ok(store.sent.length > 10 && store.sent.length < 25, `${store.sent.length} attempts in a minute`)
  t.equal(new Set(store.sent.map(({ number, body }) => number + body)).size, 1)
  t.ok(writer.stats.oldestUnflushedAgeMs >= 60_000)
  t.ok(lines.filter(({ level }) => level === 'warn').length <= 4, 'told at most every 30 s')
  store.failure = null
  await clock.advance(5000)
  t.match(ledger.totals, { stored: 40, buffered: 0, dropped: { channel_full: 10 } })
  t.same(store.batches.get(1)?.dropped, null)
  t.equal(
    JSON.stringify(store.batches.get(2)?.dropped),
    '{"b":{"channel_full":10}}',
    'reported with the next batch',
  )
  t.equal(lines.filter(({ message }) => message.includes('stored again')).length, 1)
  t.equal(writer.stats.consecutiveFailures, 0)
})

t.test('a lost acknowledgement, and a backend that commits late, store nothing twice', async (t) => {
  for (const behaviour of ['lost_ack', 'late'] as const) {
    const { clock, store, writer, push, ledger } = rigOf()
    store.script.push(behaviour)
    push(10)
    await clock.advance(15_000)
    t.equal(store.rows.length, 10, behaviour)
    t.equal(writer.stats.alreadyStored, 1)
    t.match(ledger.totals, { stored: 10, buffered: 0 })
  }
})

t.test('makes the missing partition and stores the batch at once', async (t) => {
  const { store, writer, asked, push } = rigOf()
  push(10, { startedAtMs: Date.UTC(2030, 0, 1) })
  await settle()
  await settle()
  t.equal(store.rows.length, 10)
  t.same(asked, [['2030-01-01']])
  t.equal(writer.stats.consecutiveFailures, 0)
})

t.test('a partition that cannot be made is tried again after each back-off, not in a loop', async (t) => {
  for (const ensure of ['fails', 'hangs'] as const) {
    const { clock, asked, store, push, ledger } = rigOf({ ensure })
    push(10, { startedAtMs: Date.UTC(2030, 0, 1) })
    await clock.advance(60_000)
    t.ok(asked.length >= 4 && asked.length < 25, `${asked.length} times in a minute`)
    t.equal(ledger.totals.buffered, 10, 'nothing is lost')
    store.days.add('2030-01-01')
    await clock.advance(30_000)
    t.equal(store.rows.length, 10)
  }
})

t.test(
  'rejected rows go to quarantine with their batch, the others are stored under the same number',
  async (t) => {
    const { store, writer, ledger, lines, push } = rigOf()
    push(4)
    push(1, { path: '/poison', tenant: 'evil' })
    push(4)
    push(1, { path: '/poison', tenant: '' })
    await settle()
    await settle()
    t.match(store.batches.get(1), {
      entries: 8,
      quarantined: [
        { seq: 5, tenant: 'evil' },
        { seq: 10, tenant: '' },
      ],
    })
    t.match(ledger.account('evil'), { accepted: 1, stored: 0, buffered: 0, quarantined: 1 })
    t.match(ledger.account(''), { quarantined: 1 })
    t.same(brokenAccounts(ledger), [])
    t.equal(writer.stats.mode, 'idle')
    t.equal(writer.stats.quarantined, 2)
    t.notMatch(JSON.stringify(lines), 'poison', 'no content of a row in the log')
    t.equal(writer.stats.rejected, 2)
  },
)

t.test(
  'a batch that is rejected again and again, though none of its rows is, does not stop the log',
  async (t) => {
    const { clock, store, ledger, push } = rigOf()
    store.refusal = failureOf('rejected', '22P02')
    push(10)
    await clock.advance(10_000)
    t.equal(ledger.totals.buffered, 10)
    await clock.advance(20_000)
    t.match(ledger.totals, { buffered: 0, quarantined: 10 })
    store.refusal = null
    push(10)
    await clock.advance(10_000)
    t.equal(store.rows.length, 10)
    t.same(brokenAccounts(ledger), [])
  },
)

t.test('flush stores what was accepted before it, at once', async (t) => {
  const { store, writer, push } = rigOf()
  push(3)
  await writer.flush()
  t.equal(store.rows.length, 3)
  await writer.flush()
  push(60)
  const [first] = await Promise.all([writer.flush(), writer.flush()])
  t.equal(first, undefined)
  t.equal(store.rows.length, 63)
})

t.test('drain stores all that is left, closes the channel, and is the same promise each time', async (t) => {
  const { clock, store, writer, channel, ledger, push } = rigOf({ capacityEntries: 100 })
  push(120)
  const drained = writer.drain(5000)
  t.equal(writer.drain(1), drained)
  t.same(await drained, { stored: true, lost: 0, spilled: 0 })
  t.equal(store.rows.length, 100)
  const reported = [...store.batches.values()].map(({ dropped }) => JSON.stringify(dropped ?? {})).join('')
  t.match(reported, '{"acme":{"channel_full":20}}')
  t.match(store.batches.get(store.batches.size), { isFinal: true, entries: 0, acceptedSeq: 120 })
  t.equal([...store.batches.values()].filter(({ isFinal }) => isFinal).length, 1)
  t.equal(store.isClosed, true)
  t.equal(clock.timers, 0)
  t.equal(writer.stats.mode, 'stopped')
  t.equal(channel.push(entryOf()), false)
  t.equal(ledger.totals.dropped.shutdown, 1)
  t.same(brokenAccounts(ledger), [])
})

t.test('drain retries at once when it finds the writer backing off', async (t) => {
  const { clock, store, writer, push } = rigOf()
  store.failure = failureOf('retry', '57P03')
  push(10)
  await clock.advance(30_000)
  t.equal(writer.stats.mode, 'backing_off')
  store.failure = null
  t.same(await writer.drain(1000), { stored: true, lost: 0, spilled: 0 })
})

t.test('at the deadline what is left is counted as dropped, whatever the store is doing', async (t) => {
  for (const behaviour of ['refuse', 'hang', 'late', 'lost_ack'] as const) {
    const { clock, store, writer, ledger, lines, push } = rigOf()
    store.script.push(...Array.from({ length: 1000 }, () => behaviour))
    if (behaviour === 'lost_ack') store.failure = failureOf('unusable', '25006')
    push(60, { tenant: 'a' })
    push(5, { tenant: 'b' })
    const flushed = t.rejects(writer.flush(), { message: /writer stopped/ })
    await settle()
    const drained = writer.drain(3000)
    await clock.advance(3000)
    t.same(await drained, { stored: false, lost: 65, spilled: 0 }, behaviour)
    t.match(ledger.totals, { accepted: 65, buffered: 0, dropped: { shutdown: 65 } })
    t.match(lines.at(-1), { level: 'error', fields: { entries: 65, tenants: { a: 60, b: 5 } } })
    t.equal(store.isDestroyed, true)
    await flushed
    await t.rejects(writer.flush(), { message: /writer stopped/ })
    await clock.advance(60_000)
    t.same(brokenAccounts(ledger), [], 'what comes late changes nothing')
    t.equal(ledger.totals.stored, 0)
  }
})

t.test('a drain before the start stores what was pushed', async (t) => {
  const clock = new FakeClock()
  const ledger = new Ledger()
  const channel = new Channel({ capacityEntries: 10, capacityBytes: 1e6, ledger })
  const store = new FakeStore(clock)
  const ignore = (): void => {}
  const writer = new Writer({
    channel,
    ledger,
    store,
    ensurePartitions: async () => {},
    instance: INSTANCE,
    options: WRITER_OPTIONS,
    logger: { info: ignore, warn: ignore, error: ignore },
    clock,
  })
  channel.push(entryOf())
  t.same(await writer.drain(1000), { stored: true, lost: 0, spilled: 0 })
  t.equal(store.rows.length, 1)
})

t.test('law 3 and law 4 hold through any sequence of pushes and failures', async (t) => {
  const behaviour = fc.constantFrom<Behaviour>('ok', 'ok', 'refuse', 'lost_ack', 'hang', 'late')
  const step = fc.record({
    push: fc.array(
      fc.record({ tenant: fc.constantFrom('a', 'b', '', 'c\0'), poison: fc.nat(20), far: fc.nat(30) }),
      { maxLength: 25 },
    ),
    advanceMs: fc.constantFrom(0, 10, 700, 3000, 12_000),
    script: fc.array(behaviour, { maxLength: 3 }),
  })
  let runs = 0
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
      runs++
      const { clock, store, writer, ledger, channel } = rigOf({ capacityEntries: 40, maxBatchEntries: 16 })
      for (const { push, advanceMs, script } of steps) {
        store.script.push(...script)
        for (const { tenant, poison, far } of push) {
          const startedAtMs = far === 0 ? Date.UTC(2031, 0, 1) : clock.nowMs()
          channel.push(entryOf({ tenant, startedAtMs, path: poison === 0 ? '/poison' : '/' }))
          if (brokenAccounts(ledger).length > 0) return false
        }
        await clock.advance(advanceMs)
        if (brokenAccounts(ledger).length > 0) return false
      }
      store.script.length = 0
      const drained = writer.drain(600_000)
      await clock.advance(60_000)
      const { stored, lost } = await drained
      const { totals } = ledger
      const seqs = new Set(store.rows.map(({ seq }) => seq))
      const reported = { channel_full: 0, rejected: 0, shutdown: 0 }
      for (const { dropped } of store.batches.values()) {
        for (const counts of Object.values(dropped ?? {})) {
          for (const [reason, n] of Object.entries(counts)) reported[reason as keyof typeof reported] += n
        }
      }
      const numbers = [...store.batches.keys()].sort((a, b) => a - b)
      return (
        stored &&
        lost === 0 &&
        totals.buffered === 0 &&
        seqs.size === store.rows.length &&
        totals.stored === store.rows.length &&
        totals.quarantined === store.quarantine.length &&
        totals.accepted === channel.lastSeq &&
        JSON.stringify(reported) === JSON.stringify(totals.dropped) &&
        numbers.every((number, i) => number === i + 1) &&
        brokenAccounts(ledger).length === 0
      )
    }),
    { numRuns: 120 },
  )
  t.ok(runs >= 120)
})
