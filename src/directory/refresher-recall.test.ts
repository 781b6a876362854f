import t from 'tap'
import type { DirectoryKeeper, RecalledSnapshot, SnapshotAsOf } from './directory-keeper.ts'
import type { DirectorySource, KeyRecord } from './directory-source.ts'
import { DirectoryRefresher } from './refresher.ts'
import { type DirectorySnapshot, SnapshotUpdate } from './snapshot.ts'
import { FakeClock, settle } from '../test/clock.ts'

const KEY: KeyRecord = {
  id: 'k',
  digest: 'aa',
  tenant: 'acme',
  scopes: '',
  networks: '',
  rateLimit: null,
  expiresAtMs: null,
  isRevoked: false,
  version: 1,
}

function snapshotOf(...keys: KeyRecord[]): DirectorySnapshot {
  const update = new SnapshotUpdate(null, true, new Map())
  update.add({ tenants: [], keys })
  return update.finish()
}

const down = () => Promise.reject(Object.assign(new Error('down'), { code: 'ECONNREFUSED' }))
const silent = () => new Promise<boolean>(() => {})

/** A refresher with a database and a disk that the test decides about. */
function setUp(recalled: RecalledSnapshot | null) {
  const clock = new FakeClock(1_000_000)
  const lines: string[] = []
  /** What was done to the disk, and which snapshot was in force by then. */
  const acts: { what: 'noted' | 'applied'; inForce: number; contactAtMs?: number }[] = []
  const database = { listen: (): Promise<boolean> => Promise.resolve(true), keys: [KEY], origin: 'server/1' }
  const source: DirectorySource = {
    connect: () => ({
      listen: () => database.listen(),
      load: (_since, onChunk) => {
        onChunk({ tenants: [], keys: database.keys })
        return Promise.resolve({ cursor: '1', origin: database.origin, seen: '1:1:' })
      },
      destroy: () => Promise.resolve(),
    }),
    writeUses: () => Promise.resolve(),
    confirm: () => Promise.resolve(),
    leave: () => Promise.resolve(),
  }
  const disk = { recalls: 0, noting: Promise.resolve() }
  const inForce = (): number => refresher.snapshot?.keyCount ?? -1
  const keeper: DirectoryKeeper = {
    failures: 0,
    recall: () => {
      disk.recalls++
      return Promise.resolve(recalled)
    },
    note: () => {
      acts.push({ what: 'noted', inForce: inForce() })
      return disk.noting
    },
    applied: ({ contactAtMs }: SnapshotAsOf) =>
      void acts.push({ what: 'applied', inForce: inForce(), contactAtMs }),
    stop: () => Promise.resolve(),
  }
  const record = (_fields: object, message: string) => void lines.push(message)
  const refresher = new DirectoryRefresher({
    source,
    keeper,
    options: { pollIntervalMs: 500, reconcileIntervalMs: -1, lastUsedIntervalMs: 60_000, maxAgeMs: 600_000 },
    log: { debug: () => {}, info: record, warn: record },
    now: () => clock.nowMs(),
    clock,
    random: () => 0.5,
  })
  return { clock, database, disk, refresher, lines, acts }
}

const OF_DISK: RecalledSnapshot = {
  snapshot: snapshotOf(KEY),
  origin: 'server/0',
  ageMs: 60_000,
  maxAgeMs: 300_000,
}

t.test(
  'D14: a start without the database goes by the snapshot on disk, until the database tells',
  async (t) => {
    const { clock, database, refresher, lines, acts } = setUp(OF_DISK)
    database.listen = down
    await refresher.start()
    t.equal(refresher.snapshot, OF_DISK.snapshot)
    t.match(refresher.stats, { isRecalled: true, isStale: true, ageMs: 60_000, keys: 1 })
    t.ok(lines.includes('directory: the database is away, going by the snapshot on disk'))
    database.listen = () => Promise.resolve(true)
    database.keys = [KEY, { ...KEY, digest: 'bb' }]
    await clock.advance(3000)
    t.match(refresher.stats, { isRecalled: false, isStale: false, keys: 2 })
    t.match(acts[0], { what: 'noted', inForce: 1 }, 'what is taken away is on disk before it acts')
    t.match(acts[1], { what: 'applied', inForce: 2 })
    await refresher.stop()
  },
)

t.test('D14: a database that is silent at the start is away after a second', async (t) => {
  const { clock, database, refresher } = setUp(OF_DISK)
  database.listen = silent
  let isStarted = false
  void refresher.start().then(() => (isStarted = true))
  await clock.advance(900)
  t.equal(refresher.snapshot, null)
  await clock.advance(200)
  t.same([isStarted, refresher.snapshot?.keyCount], [true, 1])
  await refresher.stop()
})

t.test('D14: the age on disk counts: beyond the maximum nothing is accepted', async (t) => {
  const { clock, database, refresher } = setUp({ ...OF_DISK, ageMs: 290_000 })
  database.listen = down
  await refresher.start()
  t.equal(refresher.snapshot?.keyCount, 1)
  await clock.advance(15_000)
  t.equal(refresher.snapshot, null, '300 s are its maximum, not the 600 s of a process that goes on')
  await refresher.stop()
})

t.test('D14: with the database there the disk is not asked, and nothing comes back from it', async (t) => {
  const { clock, database, disk, refresher } = setUp(OF_DISK)
  database.keys = [{ ...KEY, isRevoked: true }]
  await refresher.start()
  await clock.advance(5000)
  t.equal(disk.recalls, 0)
  database.listen = down
  t.equal(refresher.snapshot?.keyByDigest('aa')?.isRevoked, true)
  await refresher.stop()
})

t.test('D14: some seconds without the database, and a key that is not known may exist', async (t) => {
  const { clock, database, refresher } = setUp(null)
  await refresher.start()
  t.equal(refresher.isStale, false)
  await clock.advance(60_000)
  t.equal(refresher.isStale, false, 'polls go on')
  database.keys = []
  database.listen = down
  const source = refresher.stats.failures
  // The connection breaks at the next poll.
  Object.defineProperty(database, 'origin', {
    get: () => {
      throw Object.assign(new Error('gone'), { code: 'ECONNRESET' })
    },
  })
  await clock.advance(3000)
  t.ok(refresher.stats.failures > source)
  t.equal(refresher.isStale, false, 'a restart of the database makes nobody wait')
  await clock.advance(4000)
  t.equal(refresher.isStale, true)
  t.not(refresher.snapshot, null)
  await refresher.stop()
})

t.test('D14: a change waits for its note', async (t) => {
  const { clock, database, disk, refresher } = setUp(null)
  await refresher.start()
  let release = (): void => {}
  disk.noting = new Promise((resolve) => (release = resolve))
  database.keys = [{ ...KEY, isRevoked: true, version: 2 }]
  await clock.advance(600)
  t.equal(refresher.snapshot?.keyByDigest('aa')?.isRevoked, false)
  release()
  await settle()
  t.equal(refresher.snapshot?.keyByDigest('aa')?.isRevoked, true)
  await refresher.stop()
})
