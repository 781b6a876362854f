import t from 'tap'
import { Spill } from '../writer/spill/spill.ts'
import { MemoryFiles } from '../test/files.ts'
import { TestLog } from '../test/log.ts'
import { FakeClock, settle } from '../test/clock.ts'
import { brokenAccounts, entryOf, failureOf, INSTANCE, sealedBatch } from '../test/writer-parts.ts'

const ALL = { entries: 1e6, bytes: 1e9 }
const SUCCESSOR = '0190a1b2-c3d4-7e5f-8a9b-ffffffffffff'
const batch = (number: number) => sealedBatch([entryOf(), entryOf()], { number })

function spillOn(clock: FakeClock, files: MemoryFiles, instance = INSTANCE): Spill {
  return new Spill({
    directory: '/spill',
    instance,
    maxBytes: 1e7,
    syncIntervalMs: 100,
    timeoutMs: 500,
    logger: { info: () => {}, warn: () => {}, error: () => {} },
    clock,
    files,
    owners: {
      us: async () => ({ pid: 1, host: '', space: '', started: '' }),
      isAlive: async (_, path) => path.includes(instance),
    },
  })
}

t.test(
  'a disk that hangs refuses after the time-out, and at once from then on, until it answers',
  async (t) => {
    const clock = new FakeClock()
    const files = new MemoryFiles(() => clock.nowMs())
    const spill = spillOn(clock, files)
    t.not(await spill.append(batch(1)), null)
    const answer = files.hang()
    let isEnded = false
    const hanging = spill.append(batch(2)).finally(() => (isEnded = true))
    await clock.advance(499)
    t.equal(isEnded, false)
    await clock.advance(1)
    t.equal(await hanging, null)
    const { writes } = files
    t.equal(await spill.append(batch(3)), null, 'at once: no time has passed')
    t.match(spill.stats, { refused: 2, lastErrorCode: 'timeout', pendingEntries: 2 })
    t.equal(files.writes, writes, 'nothing more is asked of it')

    answer()
    await settle()
    t.match(spill.stats, { batches: 1, pendingEntries: 2 }, 'what it wrote too late was never here')
    t.not(await spill.append(batch(4)), null, 'it takes batches again')
    const pending = await spill.oldest(ALL)
    t.same(
      pending.map(({ frame }) => frame.batch.number),
      [1, 4],
    )
    for (const each of pending) spill.settle(each)
    t.equal(spill.hasPending, false)
    await spill.rest()
    t.same(files.paths, [])
    await spill.close()
    t.equal(clock.timers, 0)
  },
)

t.test('a batch that only waited behind something that hangs is not written any more', async (t) => {
  const clock = new FakeClock()
  const files = new MemoryFiles(() => clock.nowMs())
  const spill = spillOn(clock, files)
  const answer = files.hang()
  void spill.start() // looks for segments of the dead
  const hanging = spill.append(batch(1))
  await clock.advance(500)
  t.equal(await hanging, null)
  answer()
  await settle()
  t.same([files.writes, files.paths], [0, []])
  await spill.close()
})

t.test('what was written too late is found by a successor after a kill, and by nobody else', async (t) => {
  const clock = new FakeClock()
  const files = new MemoryFiles(() => clock.nowMs())
  const spill = spillOn(clock, files)
  await spill.append(batch(1))
  const answer = files.hang()
  const hanging = spill.append(batch(2))
  await clock.advance(500)
  await hanging
  answer()
  await settle()
  const next = spillOn(clock, files, SUCCESSOR)
  await next.start()
  t.same(
    (await next.oldest(ALL)).map(({ frame }) => frame.batch.number),
    [1, 2],
  )
})

t.test('a late error of the disk is no news to anybody', async (t) => {
  const clock = new FakeClock()
  const files = new MemoryFiles(() => clock.nowMs())
  const spill = spillOn(clock, files)
  await spill.append(batch(1))
  const answer = files.hang()
  const hanging = spill.append(batch(2))
  await clock.advance(500)
  t.equal(await hanging, null)
  files.error = 'EIO'
  answer()
  await settle()
  t.match(spill.stats, { refused: 1, pendingEntries: 2 })
  files.error = null
  t.not(await spill.append(batch(3)), null)
})

/** An outage that meets a hanging disk; the database, or the disk, is back first. */
async function outage(first: 'database' | 'disk'): Promise<TestLog> {
  const log = new TestLog()
  const { store, disk, channel, ledger } = log
  const push = (n: number): void => {
    for (let i = 0; i < n; i++) channel.push(entryOf({ startedAtMs: log.clock.nowMs() }))
  }
  const balanced = (): void => {
    const broken = brokenAccounts(ledger)
    if (broken.length > 0 || ledger.totals.spilled < 0) throw new Error('the books do not balance')
  }
  store.failure = failureOf('retry', 'ECONNREFUSED')
  push(100)
  await log.pass(3000)
  if (ledger.totals.spilled !== 100) throw new Error('not spilled')
  const answer = disk.hang()
  for (let i = 0; i < 20; i++) {
    push(10)
    await log.pass(500)
    balanced()
  }
  if (first === 'database') store.failure = null
  else answer()
  for (let i = 0; i < 20; i++) {
    push(10)
    await log.pass(500)
    balanced()
  }
  if (first === 'database') answer()
  else store.failure = null
  await log.pass(20_000)
  balanced()
  return log
}

for (const first of ['database', 'disk'] as const) {
  t.test(
    `an outage with a hanging disk: all is stored once and the books are exact, ${first} first`,
    async (t) => {
      const { ledger, store, disk, writer, clock } = await outage(first)
      t.match(ledger.totals, { accepted: 500, stored: 500, spilled: 0, buffered: 0 })
      t.same(
        store.rows.map(({ seq }) => seq).sort((a, b) => a - b),
        Array.from({ length: 500 }, (_, i) => i + 1),
      )
      t.same(disk.paths, [], 'the disk is left clean')
      t.same(await writer.drain(1000), { stored: true, lost: 0, spilled: 0 })
      t.equal(clock.timers, 0)
    },
  )
}

t.test(
  'a shutdown with the database away and a hanging disk ends in time, and says what is lost',
  async (t) => {
    const log = new TestLog()
    log.store.failure = failureOf('retry', 'ECONNREFUSED')
    log.disk.hang()
    for (let i = 0; i < 100; i++) log.channel.push(entryOf({ startedAtMs: log.clock.nowMs() }))
    await log.pass(5000)
    t.equal(log.writer.isBlocked, true)
    const draining = log.writer.drain(1000)
    await log.pass(10_000)
    t.same(await draining, { stored: false, lost: 100, spilled: 0 })
    t.same(brokenAccounts(log.ledger), [])
  },
)
