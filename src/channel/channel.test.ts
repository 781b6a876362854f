import t from 'tap'
import type { AccessEntry } from '../model/access-entry.ts'
import { Channel } from './channel.ts'
import { Ledger, OTHER_TENANTS } from './ledger.ts'
import { brokenAccounts, entryOf } from '../test/writer-parts.ts'

function channelOf(capacityEntries: number, capacityBytes = 1e6): { channel: Channel; ledger: Ledger } {
  const ledger = new Ledger()
  return { channel: new Channel({ capacityEntries, capacityBytes, ledger }), ledger }
}

t.test(
  'drops an entry that arrives when full, counts it by tenant, and numbers it all the same',
  async (t) => {
    const { channel, ledger } = channelOf(2)
    t.equal(channel.push(entryOf({ tenant: 'a' })), true)
    t.equal(channel.push(entryOf({ tenant: 'b' })), true)
    t.equal(channel.push(entryOf({ tenant: 'a' })), false)
    t.match(ledger.account('a'), { accepted: 2, buffered: 1, dropped: { channel_full: 1 } })
    t.match(ledger.account('b'), { accepted: 1, buffered: 1 })
    t.equal(channel.lastSeq, 3)
    t.equal(channel.shift()?.seq, 1)
    t.equal(channel.push(entryOf()), true, 'room again')
    t.equal(channel.oldestSeq, 2)
    channel.shift()
    t.equal(channel.shift()?.seq, 4, 'without the dropped one')
    t.equal(channel.oldestSeq, Infinity)
    t.same(brokenAccounts(ledger), [])
  },
)

t.test('is bounded in bytes of text as well', async (t) => {
  const { channel, ledger } = channelOf(1000, 10_000)
  const long = entryOf({ path: 'x'.repeat(4000) })
  t.same([channel.push(long), channel.push(entryOf({ path: 'x'.repeat(4000) }))], [true, true])
  t.equal(channel.push(entryOf({ path: 'x'.repeat(4000) })), false)
  t.ok(channel.stats.bytes <= 10_000)
  channel.shift()
  channel.shift()
  t.equal(channel.stats.bytes, 0)
  t.same(brokenAccounts(ledger), [])
})

t.test('tells its listener of the first entry and of the threshold, and of nothing else', async (t) => {
  const { channel } = channelOf(100)
  const told: number[] = []
  channel.onWaiting(3, (size) => told.push(size))
  for (let i = 0; i < 10; i++) channel.push(entryOf())
  t.same(told, [1, 3])
  while (channel.shift());
  channel.push(entryOf())
  t.same(told, [1, 3, 1])
})

t.test('never throws: an entry without a text costs itself', async (t) => {
  const { channel, ledger } = channelOf(10)
  const broken = [
    { path: undefined },
    { tenant: undefined },
    { host: 7 },
  ] as unknown as Partial<AccessEntry>[]
  for (const fields of broken) t.equal(channel.push(entryOf(fields)), false)
  t.equal(channel.push(entryOf()), true)
  t.equal(ledger.totals.dropped.rejected, 3)
  t.ok(channel.stats.bytes < 1000)
  t.same(brokenAccounts(ledger), [])
})

t.test('drops what comes after its end as a loss of the shutdown', async (t) => {
  const { channel, ledger } = channelOf(10)
  channel.close()
  t.equal(channel.push(entryOf()), false)
  t.match(ledger.account('acme'), { accepted: 1, dropped: { shutdown: 1 } })
})

t.test('accounts are bounded: tenants beyond share one, for life', async (t) => {
  const ledger = new Ledger({ maxTenants: 2 })
  const channel = new Channel({ capacityEntries: 3, capacityBytes: 1e6, ledger })
  for (const tenant of ['a', 'b', 'c', 'd', 'c', '']) channel.push(entryOf({ tenant }))
  t.same(
    [...ledger.accounts()].map(({ tenant, accepted }) => [tenant, accepted]),
    [
      ['', 1],
      ['a', 1],
      ['b', 1],
      [OTHER_TENANTS, 3],
    ],
  )
  ledger.settle('c', 1)
  t.match(ledger.totals, { accepted: 6, stored: 1, buffered: 2, dropped: { channel_full: 3 } })
  t.same(brokenAccounts(ledger), [])
})

t.test('reports each drop once', async (t) => {
  const { channel, ledger } = channelOf(1)
  for (const tenant of ['a', 'a', '', '__proto__', 'a']) channel.push(entryOf({ tenant }))
  t.equal(ledger.hasUnreportedDrops, true)
  const report = ledger.takeUnreportedDrops()
  t.equal(
    JSON.stringify(report),
    '{"a":{"channel_full":2},"":{"channel_full":1},"__proto__":{"channel_full":1}}',
  )
  t.equal(ledger.takeUnreportedDrops(), null)
  channel.push(entryOf({ tenant: 'a' }))
  t.same(Object.values(ledger.takeUnreportedDrops() ?? {}), [{ channel_full: 1 }])
})
