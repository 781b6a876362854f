import t from 'tap'
import { DatabaseContact } from '../lib/database-contact.ts'
import type {
  DirectoryChunk,
  DirectoryConnection,
  DirectoryPosition,
  DirectorySource,
  KeyRecord,
} from './directory-source.ts'
import { DirectoryRefresher } from './refresher.ts'
import { FakeClock, settle } from '../test/clock.ts'

const DIGEST = 'ab'.repeat(32)

function key(version: number, isRevoked = false): KeyRecord {
  const fixed = {
    id: 'k',
    digest: DIGEST,
    tenant: 'acme',
    scopes: '',
    networks: '',
    rateLimit: null,
    expiresAtMs: null,
  }
  return { ...fixed, isRevoked, version }
}

/** A source whose answers the test gives. */
class FakeSource implements DirectorySource {
  connections = 0
  destroyed = 0
  loads: (string | null)[] = []
  written: ReadonlyMap<string, number>[] = []
  hint = () => {}
  close = () => {}
  listen: () => Promise<boolean> = () => Promise.resolve(true)
  origin = 'one'
  confirmed: (DirectoryPosition | null)[] = []
  left = 0
  load: (since: string | null) => Promise<{ chunk: DirectoryChunk; cursor: string }> = () =>
    Promise.resolve({ chunk: { tenants: [], keys: [key(1)] }, cursor: '100' })

  connect(events: { readonly onHint: () => void; readonly onClose: () => void }): DirectoryConnection {
    this.connections++
    this.hint = events.onHint
    this.close = events.onClose
    return {
      listen: () => this.listen(),
      load: async (since, onChunk) => {
        this.loads.push(since)
        const { chunk, cursor } = await this.load(since)
        onChunk(chunk)
        return { cursor, origin: this.origin, seen: `${cursor}:${cursor}:` }
      },
      destroy: () => {
        this.destroyed++
        return Promise.resolve()
      },
    }
  }

  confirm(position: DirectoryPosition | null): Promise<void> {
    this.confirmed.push(position)
    return Promise.resolve()
  }

  leave(): Promise<void> {
    this.left++
    return Promise.resolve()
  }

  writeUses(uses: ReadonlyMap<string, number>): Promise<void> {
    this.written.push(uses)
    return Promise.resolve()
  }
}

function setUp(reconcileIntervalMs = 60_000) {
  const clock = new FakeClock(1_000_000)
  const source = new FakeSource()
  const lines: string[] = []
  const record = (_fields: object, message: string) => void lines.push(message)
  const contact = new DatabaseContact(1500, () => clock.nowMs())
  const refresher = new DirectoryRefresher({
    source,
    contact,
    options: { pollIntervalMs: 500, reconcileIntervalMs, lastUsedIntervalMs: 60_000, maxAgeMs: 600_000 },
    log: { debug: () => {}, info: record, warn: record },
    now: () => clock.nowMs(),
    clock,
    random: () => 0.5,
  })
  return { clock, source, refresher, contact, lines }
}

const down = () => Promise.reject(Object.assign(new Error('down'), { code: 'ECONNREFUSED' }))
const keys = (...records: KeyRecord[]) => ({ tenants: [], keys: records })

t.test('loads in full at first, then polls from the cursor it was given', async (t) => {
  const { clock, source, refresher } = setUp(-1)
  t.equal(refresher.snapshot, null)
  await refresher.start()
  t.equal(refresher.snapshot?.keyCount, 1)
  source.load = () => Promise.resolve({ chunk: keys(key(2, true)), cursor: '105' })
  await clock.advance(500)
  t.same(source.loads, [null, '100'])
  t.equal(refresher.snapshot?.keyByDigest(DIGEST)?.isRevoked, true)
  await clock.advance(3_600_000)
  t.equal(source.loads.at(-1), '105')
  t.match(refresher.stats, {
    fullLoads: 1,
    failures: 0,
    lastError: null,
    isListening: true,
    keys: 1,
    ageMs: 0,
  })
  t.equal(source.connections, 1)
  await refresher.stop()
  t.equal(clock.timers, 0)
})

t.test('D2: a full load is the truth, whatever versions it brings', async (t) => {
  const { clock, source, refresher } = setUp()
  source.load = () => Promise.resolve({ chunk: keys(key(5)), cursor: '100' })
  await refresher.start()
  source.load = (since) =>
    Promise.resolve({ chunk: since === null ? keys(key(2, true)) : keys(), cursor: '101' })
  await clock.advance(200_000)
  t.ok(refresher.stats.fullLoads > 1)
  t.match(refresher.snapshot?.keyByDigest(DIGEST), { isRevoked: true, version: 2 })
  await refresher.stop()
})

t.test('D2: a revocation with a lower version acts at once, and everything is loaded anew', async (t) => {
  const { clock, source, refresher } = setUp(-1)
  source.load = () => Promise.resolve({ chunk: keys(key(5)), cursor: '100' })
  await refresher.start()
  const seen: unknown[] = []
  source.load = (since) => {
    if (since === null) {
      seen.push(refresher.snapshot?.keyByDigest(DIGEST)?.isRevoked)
      return down()
    }
    return Promise.resolve({ chunk: keys(key(2, true)), cursor: '101' })
  }
  await clock.advance(500)
  t.same(source.loads, [null, '100', null])
  t.same(seen, [true], 'before the full load, which fails here')
  source.load = () => Promise.resolve({ chunk: keys(key(2, true)), cursor: '102' })
  await clock.advance(2000)
  t.equal(source.loads[3], null, 'a full load is owed until one succeeds')
  t.match(refresher.snapshot?.keyByDigest(DIGEST), { isRevoked: true, version: 2 })
  await refresher.stop()
})

t.test('D2: another server, time line or life of the database means a full load at once', async (t) => {
  const { clock, source, refresher } = setUp(-1)
  await refresher.start()
  source.origin = 'two'
  // The cursor has not gone back: the other server is ahead in transaction ids.
  source.load = (since) =>
    Promise.resolve({ chunk: since === null ? keys(key(1, true)) : keys(), cursor: '900' })
  await clock.advance(500)
  t.same(source.loads, [null, '100', null])
  t.equal(refresher.snapshot?.keyByDigest(DIGEST)?.isRevoked, true)
  await clock.advance(500)
  t.same(source.loads.at(-1), '900', 'and from there on it follows')
  await refresher.stop()
})

t.test('G12: what is applied is confirmed at once after news, and now and then without', async (t) => {
  const { clock, source, refresher } = setUp(-1)
  await refresher.start()
  t.same(source.confirmed[0], null, 'announced before the first load')
  t.equal(source.confirmed.length, 2)
  source.load = () => Promise.resolve({ chunk: keys(), cursor: '101' })
  await clock.advance(9000)
  t.equal(source.confirmed.length, 2)
  source.load = () => Promise.resolve({ chunk: keys(key(2)), cursor: '102' })
  await clock.advance(500)
  t.same(source.confirmed.slice(2), [{ cursor: '102', origin: 'one', seen: '102:102:' }])
  source.hint()
  await clock.advance(25)
  t.equal(source.confirmed.length, 4, 'also after a hint that brought no news')
  await clock.advance(10_500)
  t.equal(source.confirmed.length, 5, 'a sign of life')
  await refresher.stop()
  t.equal(source.left, 1)
})

t.test('D14: after the longest age without contact nothing is accepted by what was known', async (t) => {
  const { clock, source, refresher, lines } = setUp(-1)
  await refresher.start()
  source.load = down
  await clock.advance(590_000)
  t.not(refresher.snapshot, null)
  await clock.advance(20_000)
  t.equal(refresher.snapshot, null)
  t.equal(lines.filter((line) => line.includes('accepted no more')).length, 1)
  source.load = () => Promise.resolve({ chunk: keys(), cursor: '101' })
  await clock.advance(2000)
  t.not(refresher.snapshot, null)
  await refresher.stop()
})

t.test('a hint makes the next poll come at once, and a storm of hints is folded', async (t) => {
  const { clock, source, refresher } = setUp()
  await refresher.start()
  await clock.advance(100)
  source.hint()
  await settle()
  t.equal(source.loads.length, 2)
  for (let i = 0; i < 1000; i++) source.hint()
  await clock.advance(24)
  t.equal(source.loads.length, 2)
  await clock.advance(1)
  t.equal(source.loads.length, 3)
  t.equal(refresher.stats.notifications, 1001)

  // A hint that comes while a load runs asks for another one: the running one may have begun too early to see the change.
  let release = () => {}
  source.load = () =>
    new Promise((resolve) => {
      release = () => {
        resolve({ chunk: keys(), cursor: '101' })
      }
    })
  await clock.advance(500)
  const count = source.loads.length
  source.hint()
  release()
  await clock.advance(25)
  t.equal(source.loads.length, count + 1)
  release()
  await refresher.stop()
  t.equal(clock.timers, 0)
})

t.test('without a database: null, bounded back-off, and loaded as soon as it is there', async (t) => {
  const { clock, source, refresher, lines } = setUp()
  source.load = down
  await refresher.start()
  t.equal(refresher.snapshot, null)
  await clock.advance(60_000)
  t.equal(refresher.snapshot, null)
  t.ok(source.loads.length > 60 && source.loads.length < 120, `${source.loads.length} attempts in a minute`)
  t.match(refresher.stats, { lastError: 'ECONNREFUSED', ageMs: null, isListening: false, keys: 0 })
  t.equal(source.destroyed, source.connections, 'each failed connection is destroyed')
  source.load = () => Promise.resolve({ chunk: keys(key(1)), cursor: '7' })
  await clock.advance(2000)
  t.equal(refresher.snapshot?.keyCount, 1)
  t.same(
    lines,
    ['directory: refresh failed, trying on', 'directory: following again'],
    'one line for each turn',
  )
  await refresher.stop()
})

t.test(
  'G4: each look at the database tells whether it is there, within its interval and a second',
  async (t) => {
    const { clock, source, refresher, contact } = setUp()
    await refresher.start()
    t.equal(contact.reading.state, 'there')
    await clock.advance(60_000)
    t.match(contact.reading, { state: 'there', sinceMs: 60_000 }, 'for as long as it answers')
    source.load = down
    await clock.advance(500)
    t.match(contact.reading, { state: 'away', error: 'ECONNREFUSED' }, 'refused: by the next look')
    source.load = () => Promise.resolve({ chunk: keys(key(1)), cursor: '8' })
    await clock.advance(1000)
    t.match(contact.reading, { state: 'there', error: null }, 'back: by the next attempt')
    source.load = () => new Promise(() => {})
    await clock.advance(1501)
    t.match(contact.reading, { state: 'away' }, 'silent: an interval and a second after its last answer')
    await refresher.stop()
  },
)

t.test('a database that goes away leaves the last snapshot, and the cursor is not lost', async (t) => {
  const { clock, source, refresher } = setUp(-1)
  await refresher.start()
  const loaded = refresher.snapshot
  source.load = down
  await clock.advance(30_000)
  t.equal(refresher.snapshot, loaded)
  t.equal(refresher.stats.ageMs, 30_000)
  source.load = () => Promise.resolve({ chunk: keys(key(2, true)), cursor: '130' })
  await clock.advance(2000)
  t.equal(source.loads.at(-1) === '130' || source.loads.at(-1) === '100', true)
  t.notOk(source.loads.slice(1).includes(null))
  t.equal(refresher.snapshot?.keyByDigest(DIGEST)?.isRevoked, true)
  await refresher.stop()
})

t.test('a frozen database is noticed and the connection opened anew', async (t) => {
  const { clock, source, refresher } = setUp()
  await refresher.start()
  const answering = source.load
  source.load = () => new Promise(() => {})
  await clock.advance(500)
  await clock.advance(3000)
  t.match(refresher.stats, { lastError: 'ETIMEDOUT', failures: 1 })
  t.equal(source.destroyed, 1)
  source.load = answering
  await clock.advance(2000)
  t.match(refresher.stats, { lastError: null })
  t.equal(source.connections, 2)
  await refresher.stop()
})

t.test('a connection that closes between two polls is replaced, and listened on again', async (t) => {
  const { clock, source, refresher } = setUp()
  let listens = 0
  source.listen = () => {
    listens++
    return Promise.resolve(true)
  }
  await refresher.start()
  source.close()
  t.equal(refresher.stats.isListening, false)
  await clock.advance(500)
  t.equal(listens, 2)
  t.match(refresher.stats, { isListening: true, failures: 0 })
  await refresher.stop()
})

t.test('polls all the same where notifications cannot be had', async (t) => {
  const { clock, source, refresher } = setUp()
  source.listen = () => Promise.resolve(false)
  await refresher.start()
  await clock.advance(5000)
  t.match(refresher.stats, { isListening: false, failures: 0, refreshes: 10 })
  await refresher.stop()
})

t.test('a cursor that goes backwards means another database: everything is loaded again', async (t) => {
  const { clock, source, refresher } = setUp(-1)
  await refresher.start()
  source.load = () => Promise.resolve({ chunk: keys(), cursor: '50' })
  await clock.advance(500)
  t.same(source.loads, [null, '100', null])
  await refresher.stop()
})

t.test('reconciles at the interval, ±20 %, and never when negative', async (t) => {
  for (const [intervalMs, expected] of [
    [10_000, 10],
    [-1, 1],
  ] as const) {
    const { clock, refresher } = setUp(intervalMs)
    await refresher.start()
    await clock.advance(95_000)
    t.ok(Math.abs(refresher.stats.fullLoads - expected) <= 1, `${refresher.stats.fullLoads} full loads`)
    await refresher.stop()
  }
})

t.test('start waits five seconds at most and stop ends everything, both as often as called', async (t) => {
  const { clock, source, refresher } = setUp()
  source.load = () => new Promise(() => {})
  const started = refresher.start()
  t.equal(refresher.start(), started)
  await clock.advance(5000)
  await started
  refresher.noteUse('k')
  const stopped = refresher.stop()
  t.equal(refresher.stop(), stopped)
  await stopped
  t.same(source.written, [new Map([['k', 1_005_000]])])
  t.equal(clock.timers, 0)
  t.equal(source.destroyed, 1)
})

t.test('stopping what was never started is harmless', async (t) => {
  const { clock, refresher } = setUp()
  await refresher.stop()
  await refresher.start()
  t.equal(refresher.snapshot, null)
  t.equal(clock.timers, 0)
})
