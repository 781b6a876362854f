import t from 'tap'
import { CANARY_TENANT } from '../../model/canary.ts'
import { Canary } from './canary.ts'
import { TestLog } from '../../test/log.ts'
import { settle } from '../../test/clock.ts'
import { brokenAccounts, entryOf, failureOf } from '../../test/writer-parts.ts'

const INTERVAL_MS = 10_000

function rigOf({ hasSpill = false, capacityEntries = 1000 } = {}) {
  const log = new TestLog({ capacityEntries, spillMaxBytes: hasSpill ? 1e6 : 0 })
  const { clock, store, ledger, channel, writer } = log
  const canary = new Canary({ sink: channel, ledger, intervalMs: INTERVAL_MS, clock })
  return { clock, store, ledger, channel, writer, canary }
}

t.test(
  'measures the way of an entry: alone it waits for the interval, with others it goes at once',
  async (t) => {
    const { clock, store, channel, canary, ledger } = rigOf()
    canary.start()
    canary.start()
    t.match(canary.stats, { sent: 1, arrived: 0, roundTripMs: null, ageMs: 0 })
    await clock.advance(1999)
    t.match(canary.stats, { arrived: 0, ageMs: 1999 })
    await clock.advance(1)
    await settle()
    t.match(canary.stats, { sent: 1, arrived: 1, lost: 0, roundTripMs: 2000, ageMs: 2000 })
    await clock.advance(INTERVAL_MS - 2000)
    for (let i = 0; i < 9; i++) channel.push(entryOf({ startedAtMs: clock.nowMs() }))
    await settle()
    t.match(canary.stats, { sent: 2, arrived: 2, roundTripMs: 0, ageMs: 0 })
    t.same(
      store.rows.filter(({ tenant }) => tenant === CANARY_TENANT).map(({ seq }) => seq),
      [1, 2],
      'they are entries like any other',
    )
    t.same(brokenAccounts(ledger), [])
    canary.stop()
    await clock.advance(60_000)
    t.equal(canary.stats.sent, 2)
    t.equal(clock.timers, 0)
  },
)

t.test('in an outage one is on its way, not a heap; its age tells how long', async (t) => {
  for (const hasSpill of [false, true]) {
    const { clock, store, ledger, canary } = rigOf({ hasSpill })
    canary.start()
    await clock.advance(INTERVAL_MS - 1)
    store.failure = failureOf('retry', 'ECONNREFUSED')
    await clock.advance(600_001)
    t.match(canary.stats, { sent: 2, arrived: 1, lost: 0, ageMs: 610_000 })
    t.match(
      ledger.account(CANARY_TENANT),
      hasSpill ? { spilled: 1, buffered: 0 } : { spilled: 0, buffered: 1 },
    )
    store.failure = null
    await clock.advance(9000)
    await settle()
    const { roundTripMs, ageMs, arrived } = canary.stats
    t.equal(arrived, 2, hasSpill ? 'also by way of the disk' : 'from memory')
    t.ok((roundTripMs ?? 0) >= 600_000, `round trip ${roundTripMs} ms`)
    t.ok(ageMs >= 600_000, 'what has come late proves only what was then')
    await clock.advance(INTERVAL_MS + 2000)
    await settle()
    t.match(canary.stats, { arrived: 3, roundTripMs: 2000 })
    t.same(brokenAccounts(ledger), [])
    canary.stop()
  }
})

t.test('one that is dropped or refused is lost, and the next is sent', async (t) => {
  const { clock, store, channel, canary, ledger } = rigOf({ capacityEntries: 5 })
  store.refusal = failureOf('rejected', '22P02', 1)
  canary.start()
  await clock.advance(5000)
  t.match(canary.stats, { sent: 1, arrived: 0, lost: 1, roundTripMs: null }, 'refused')
  store.refusal = null
  await clock.advance(INTERVAL_MS)
  t.match(canary.stats, { sent: 2, arrived: 1, lost: 1 })
  channel.close()
  await clock.advance(INTERVAL_MS)
  t.match(canary.stats, { sent: 3, arrived: 1, lost: 2 }, 'dropped')
  t.same(brokenAccounts(ledger), [])
  canary.stop()
})

t.test('a flood of others does not cost the canary its place', async (t) => {
  const { clock, store, channel, canary, ledger } = rigOf({ capacityEntries: 50 })
  store.failure = failureOf('retry', 'ECONNREFUSED')
  await clock.advance(1)
  canary.start()
  for (let i = 0; i < 500; i++)
    channel.push(entryOf({ tenant: i % 3 === 0 ? '' : 'flood', startedAtMs: clock.nowMs() }))
  await clock.advance(60_000)
  t.ok(ledger.totals.dropped.channel_full > 300)
  t.match(canary.stats, { sent: 1, lost: 0 })
  store.failure = null
  await clock.advance(9000)
  await settle()
  t.match(canary.stats, { arrived: 1 })
  t.same(brokenAccounts(ledger), [])
  canary.stop()
})
