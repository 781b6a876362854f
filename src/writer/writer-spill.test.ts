import fc from 'fast-check'
import t from 'tap'
import { Channel } from '../channel/channel.ts'
import { Ledger } from '../channel/ledger.ts'
import { Spill } from './spill/spill.ts'
import { MemoryFiles } from '../test/files.ts'
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

interface Life {
  readonly clock: FakeClock
  readonly store: FakeStore
  readonly disk: MemoryFiles
  readonly instance: string
  readonly options: Partial<WriterOptions>
  readonly maxBytes: number
  readonly capacityEntries: number
}

/** What must never happen. */
const faults: string[] = []
t.teardown(() => {
  if (faults.length > 0) throw new Error(faults.join())
})

/** One life of a process. `die` is what kill -9 does: nothing more is written, sent or counted. */
function lifeOf(parts: Life) {
  const { clock, store, disk, instance } = parts
  let isDead = false
  let isCalled = false
  const ledger = new Ledger()
  const channel = new Channel({ capacityEntries: parts.capacityEntries, capacityBytes: 1e7, ledger })
  const lines: string[] = []
  const tell = (_: object, message: string): void => void lines.push(message)
  const logger = { info: tell, warn: tell, error: tell }
  const spill = new Spill({
    directory: '/spill',
    instance,
    maxBytes: parts.maxBytes,
    syncIntervalMs: 100,
    logger,
    clock,
    files: disk,
    owners: {
      us: async () => ({ pid: 1, host: '', space: '', started: '' }),
      isAlive: async (_, path) => path.includes(instance),
    },
  })
  const writer = new Writer({
    channel,
    ledger,
    store: {
      store: async (batch, more) => {
        if (isDead) await new Promise(() => {})
        if (isCalled) faults.push('two calls at once')
        isCalled = true
        try {
          return await store.store(batch, more)
        } finally {
          isCalled = false
          if (isDead) await new Promise(() => {})
        }
      },
      storedAmong: (batches) => store.storedAmong(batches),
      probe: (batch) => store.probe(batch),
      close: () => store.close(),
      destroy: () => store.destroy(),
    },
    ensurePartitions: async (days) => {
      for (const day of days) store.days.add(day)
    },
    spill,
    instance,
    options: { ...WRITER_OPTIONS, ...parts.options },
    logger,
    clock,
    random: () => 0.999,
  })
  writer.start()
  const push = (n: number, fields: Parameters<typeof entryOf>[0] = {}): void => {
    for (let i = 0; i < n; i++) channel.push(entryOf({ startedAtMs: clock.nowMs(), ...fields }))
  }
  const die = (): void => {
    isDead = true
  }
  return { ledger, channel, writer, spill, push, die, lines, instance }
}

function worldOf(options: Partial<Life> = {}): Life {
  const clock = new FakeClock()
  return {
    clock,
    store: new FakeStore(clock),
    disk: new MemoryFiles(() => clock.nowMs()),
    instance: INSTANCE,
    options: {},
    maxBytes: 1e7,
    capacityEntries: 1000,
    ...options,
  }
}

/** Lets time pass. */
async function pass(clock: FakeClock, ms: number): Promise<void> {
  await clock.advance(ms)
  await settle()
}

t.test('without a failure no file is opened, no byte written, and no directory made', async (t) => {
  const world = worldOf()
  const life = lifeOf(world)
  life.push(200)
  await pass(world.clock, 5000)
  t.equal(life.ledger.totals.stored, 200)
  t.same([world.disk.opens, world.disk.writes, world.disk.paths.length], [0, 0, 0])
  t.same(await life.writer.drain(1000), { stored: true, lost: 0, spilled: 0 })
  t.equal(world.clock.timers, 0)
})

t.test(
  'an outage: spilled after a second, then at once; replayed in order when it ends; the disk is left clean',
  async (t) => {
    const world = worldOf()
    const { clock, store, disk } = world
    const life = lifeOf(world)
    store.failure = failureOf('retry', 'ECONNREFUSED')
    life.push(20, { tenant: 'a' })
    await pass(clock, 900)
    t.equal(life.ledger.totals.spilled, 0)
    await pass(clock, 300)
    t.match(life.ledger.totals, { spilled: 20, buffered: 0 })
    t.equal(life.writer.stats.isAway, true)
    life.push(15, { tenant: 'b' })
    await settle()
    t.match(life.ledger.account('b'), { spilled: 15, buffered: 0 }, 'at once')
    await pass(clock, 60_000)
    t.ok(store.sent.length < 60, `${store.sent.length} probes in a minute`)
    t.match(life.writer.stats.spill, { pendingEntries: 35 })
    store.failure = null
    await pass(clock, 6000)
    t.match(life.ledger.totals, { stored: 35, spilled: 0, buffered: 0 })
    t.same(brokenAccounts(life.ledger), [])
    t.same(
      store.rows.map(({ seq }) => seq),
      Array.from({ length: 35 }, (_, i) => i + 1),
    )
    t.match(life.writer.stats, { isAway: false, replayed: 35 })
    t.same(disk.paths, [], 'nothing is left')
    const { writes } = disk
    life.push(30)
    await pass(clock, 3000)
    t.equal(store.rows.length, 65)
    t.equal(disk.writes, writes, 'no further byte')
    await life.writer.drain(1000)
    const last = store.batches.get(store.batches.size)
    t.equal(last?.isFinal, true)
  },
)

t.test(
  'a frozen database: its COPY is handed over to the disk when the channel is half full, and may still commit',
  async (t) => {
    const world = worldOf({ capacityEntries: 100 })
    const { clock, store } = world
    const life = lifeOf(world)
    store.script.push('late')
    life.push(10)
    await pass(clock, 1500)
    t.equal(life.ledger.totals.buffered, 10, 'slow, but nobody needs the room')
    life.push(60)
    await pass(clock, 300)
    t.match(life.ledger.totals, { spilled: 70, buffered: 0, dropped: { channel_full: 0 } })
    await pass(clock, 30_000)
    t.match(life.ledger.totals, { stored: 70, spilled: 0 })
    t.equal(store.rows.length, 70)
    t.same(brokenAccounts(life.ledger), [])
    await life.writer.drain(1000)
  },
)

t.test(
  'a frozen database is not waited for longer than three times spillAfterMs, however empty the channel',
  async (t) => {
    const world = worldOf({ capacityEntries: 100 })
    const { clock, store } = world
    const life = lifeOf(world)
    store.script.push('late')
    life.push(10)
    await pass(clock, 2900)
    t.equal(life.ledger.totals.buffered, 10)
    await pass(clock, 3000)
    t.match(life.ledger.totals, { spilled: 10, buffered: 0 })
    await pass(clock, 60_000)
    t.match(life.ledger.totals, { stored: 10, spilled: 0 })
    t.equal(store.rows.length, 10)
    t.same(brokenAccounts(life.ledger), [])
    await life.writer.drain(1000)
  },
)

t.test('a COPY that succeeds after its batch was spilled settles it, and the database is back', async (t) => {
  const world = worldOf({ capacityEntries: 100 })
  const { clock, store } = world
  const life = lifeOf(world)
  store.slowMs = 3000
  life.push(10)
  await pass(clock, 100)
  life.push(80)
  await pass(clock, 1500)
  t.match(life.ledger.totals, { spilled: 90 })
  store.slowMs = 0
  await pass(clock, 4000)
  t.match(life.ledger.totals, { stored: 90, spilled: 0 })
  t.equal(store.sent.filter(({ number }) => number === 1).length, 1, 'sent once')
  await life.writer.drain(1000)
})

t.test(
  'a full disk: entries wait in the channel, then are dropped and counted; when there is room, or the database, it goes on',
  async (t) => {
    for (const end of ['disk', 'database'] as const) {
      const world = worldOf({ capacityEntries: 60 })
      const { clock, store, disk } = world
      const life = lifeOf(world)
      store.failure = failureOf('retry', '53300')
      disk.error = 'ENOSPC'
      life.push(10)
      await pass(clock, 3000)
      t.match(life.ledger.totals, { buffered: 10, spilled: 0 })
      life.push(80)
      await pass(clock, 5000)
      t.match(life.ledger.totals, { buffered: 70, dropped: { channel_full: 20 } })
      t.match(life.writer.stats.spill, { lastErrorCode: 'ENOSPC' })
      if (end === 'disk') disk.error = null
      else store.failure = null
      await pass(clock, 8000)
      t.match(
        life.ledger.totals,
        end === 'disk' ? { spilled: 70, stored: 0 } : { spilled: 0, stored: 70 },
        end,
      )
      t.same(brokenAccounts(life.ledger), [])
      store.failure = null
      await pass(clock, 8000)
      t.match(life.ledger.totals, { stored: 70, dropped: { channel_full: 20 } })
      await life.writer.drain(1000)
    }
  },
)

t.test('rows refused in the replay go to quarantine, and hold up nothing', async (t) => {
  const world = worldOf()
  const { clock, store } = world
  const life = lifeOf(world)
  store.failure = failureOf('retry', 'ECONNREFUSED')
  life.push(5)
  life.push(1, { path: '/poison', tenant: 'evil' })
  life.push(5)
  await pass(clock, 2000)
  life.push(12, { startedAtMs: Date.UTC(2031, 0, 1) })
  await settle()
  store.failure = null
  await pass(clock, 8000)
  t.match(life.ledger.totals, { stored: 22, quarantined: 1, spilled: 0 })
  t.match(life.ledger.account('evil'), { quarantined: 1 })
  t.same(store.quarantine, [{ instance: INSTANCE, seq: 6 }])
  t.same(brokenAccounts(life.ledger), [])
  await life.writer.drain(1000)
})

t.test(
  'at the deadline of the drain what is left is on disk, and lost only when the disk refuses it',
  async (t) => {
    for (const error of [null, 'ENOSPC']) {
      const world = worldOf()
      const { clock, store, disk } = world
      const life = lifeOf(world)
      store.script.push('hang')
      life.push(30)
      await settle()
      life.push(40)
      disk.error = error
      const drained = life.writer.drain(3000)
      await pass(clock, 6000)
      const lost = error === null ? 0 : 70
      t.same(await drained, { stored: lost === 0, lost, spilled: 70 - lost })
      t.match(life.ledger.totals, { buffered: 0, spilled: 70 - lost, dropped: { shutdown: lost } })
      t.same(brokenAccounts(life.ledger), [])
      t.equal(life.writer.stats.mode, 'stopped')
      if (error !== null) continue
      const next = lifeOf({ ...world, instance: INSTANCE.replace('0c1d', 'ffff') })
      await pass(clock, 30_000)
      t.equal(store.rows.length, 70)
      t.equal(new Set(store.rows.map(({ seq }) => seq)).size, 70)
      t.match(next.ledger.totals, { accepted: 0, stored: 0, spilled: 0 })
      t.equal(
        [...store.ledger.values()].filter(({ isFinal }) => isFinal).length,
        1,
        'the end of the chain too',
      )
      await next.writer.drain(1000)
    }
  },
)

t.test('with a journal every batch is on disk within 10 ms, and is stored from there', async (t) => {
  const world = worldOf({ options: { isJournal: true } })
  const { clock, store } = world
  const life = lifeOf(world)
  life.push(3)
  await pass(clock, 10)
  t.match(life.ledger.totals, { spilled: 3, buffered: 0, stored: 0 })
  life.push(4)
  await pass(clock, 10)
  t.match(life.ledger.totals, { spilled: 7 })
  t.equal(store.sent.length, 0, 'the COPY is due as without a journal')
  await pass(clock, 2100)
  t.match(life.ledger.totals, { stored: 7, spilled: 0 })
  t.equal(store.ledger.size, 2, 'two batches in one transaction')
  life.push(12)
  await pass(clock, 20)
  t.equal(store.rows.length, 19, 'by number')
  life.push(2)
  await pass(clock, 10)
  life.die()
  const next = lifeOf({ ...world, instance: INSTANCE.replace('0c1d', 'ffff') })
  await pass(clock, 5000)
  t.same(
    store.rows.map(({ seq }) => seq),
    Array.from({ length: 21 }, (_, i) => i + 1),
    'killed: exactly what was not stored yet',
  )
  await next.writer.drain(1000)
  await life.spill.close()
})

t.test(
  'law 3 and law 4 hold through failures of database and disk, and restarts',
  { timeout: 240_000 },
  async () => {
    const behaviour = fc.constantFrom<Behaviour>('ok', 'ok', 'refuse', 'refuse', 'lost_ack', 'hang', 'late')
    const step = fc.record({
      push: fc.array(
        fc.record({ tenant: fc.constantFrom('a', 'b', '', 'c\0'), poison: fc.nat(25), far: fc.nat(30) }),
        {
          maxLength: 25,
        },
      ),
      advanceMs: fc.constantFrom(0, 50, 700, 3000, 12_000),
      script: fc.array(behaviour, { maxLength: 5 }),
      disk: fc.constantFrom(null, null, null, 'ENOSPC', 'EIO'),
      outage: fc.boolean(),
      restart: fc.constantFrom<'no' | 'stop' | 'kill'>('no', 'no', 'no', 'no', 'stop', 'kill'),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 10 }), fc.boolean(), async (steps, isJournal) => {
        const world = worldOf({
          capacityEntries: 40,
          maxBytes: 30_000,
          options: { maxBatchEntries: 16, isJournal },
        })
        const { clock, store, disk } = world
        let lives = 0
        const begin = () =>
          lifeOf({ ...world, instance: `0190a1b2-c3d4-7e5f-8a9b-${String(++lives).padStart(12, '0')}` })
        let life = begin()
        /** What each life's channel accepted and, when it was killed, what it had not stored or spilled. */
        const ended: {
          instance: string
          accepted: number
          lost: number
          dropped: number
          shutdown: number
          hasFinal: boolean
          isKilled: boolean
        }[] = []
        const end = (isKilled: boolean): void => {
          const { totals } = life.ledger
          const dropped = Object.values(totals.dropped).reduce((a, b) => a + b, 0)
          ended.push({
            instance: life.instance,
            accepted: totals.accepted,
            lost: totals.buffered,
            dropped,
            shutdown: totals.dropped.shutdown,
            hasFinal: !isKilled && disk.error === null,
            isKilled,
          })
        }
        const stop = async (): Promise<void> => {
          const drained = life.writer.drain(2000)
          await pass(clock, 15_000)
          await drained
          end(false)
        }
        for (const { push, advanceMs, script, restart, outage, disk: error } of steps) {
          store.script.push(...script)
          store.failure = outage ? failureOf('retry', 'ECONNREFUSED') : null
          disk.error = error
          for (const { tenant, poison, far } of push) {
            const startedAtMs = far === 0 ? Date.UTC(2031, 0, 1) : clock.nowMs()
            life.push(1, { tenant, startedAtMs, path: poison === 0 ? '/poison' : '/' })
            if (brokenAccounts(life.ledger).length > 0) throw new Error('law 3 is broken at a push')
          }
          await pass(clock, advanceMs)
          if (brokenAccounts(life.ledger).length > 0) throw new Error('law 3 is broken')
          if (restart === 'kill') {
            // No file operation under way: in the real world its outcome is that of the file, seen by the next process.
            await settle()
            life.die()
            end(true)
            await life.spill.close()
            life = begin()
          } else if (restart === 'stop') {
            await stop()
            life = begin()
          }
        }
        store.script.length = 0
        store.failure = null
        disk.error = null
        await pass(clock, 60_000)
        // What was set aside is tried again at growing distances, up to ten minutes.
        for (let minutes = 0; minutes < 20 && disk.paths.some((path) => path.endsWith('.seg')); minutes++) {
          await pass(clock, 60_000)
        }
        await stop()
        const keys = new Set(store.rows.map(({ instance, seq }) => `${instance} ${seq}`))
        if (keys.size !== store.rows.length) throw new Error('a row is there twice')
        for (const { instance, accepted, lost, dropped, shutdown, hasFinal, isKilled } of ended) {
          const isOf = (row: { instance: string }): boolean => row.instance === instance
          const settled = store.rows.filter(isOf).length + store.quarantine.filter(isOf).length
          const missing = accepted - dropped - settled
          // What is dropped at the end may have been stored by a COPY whose acknowledgement was lost.
          // A killed process loses what it had in memory, unless a COPY that was under way has committed.
          if (isKilled ? missing < 0 || missing > lost : missing > 0 || missing < -shutdown) {
            throw new Error(`accepted ${accepted}, settled ${settled}, dropped ${dropped}, in memory ${lost}`)
          }
          const batches = [...store.ledger.values()].filter((batch) => batch.instance === instance)
          if (hasFinal && batches.length > 0 && !batches.some(({ isFinal }) => isFinal))
            throw new Error('no end of the chain')
        }
        if (disk.paths.length > 0) throw new Error('files are left')
      }),
      { numRuns: 120, endOnFailure: true },
    )
  },
)
