import * as fc from 'fast-check'
import t from 'tap'
import type { AccessEntry } from '../model/access-entry.ts'
import { Channel } from './channel.ts'
import { Ledger } from './ledger.ts'
import { entryOf } from '../test/writer-parts.ts'

function channelOf(capacityEntries: number, capacityBytes = 1e9): { channel: Channel; ledger: Ledger } {
  const ledger = new Ledger()
  return { channel: new Channel({ capacityEntries, capacityBytes, ledger }), ledger }
}

const bulk = (tenant: string): AccessEntry =>
  entryOf({ tenant, method: 'GET', status: 200, outcome: 'forwarded' })
const write = (tenant: string): AccessEntry =>
  entryOf({ tenant, method: 'PUT', status: 201, outcome: 'forwarded' })
const refusal = (tenant: string): AccessEntry =>
  entryOf({ tenant, method: 'GET', status: 401, outcome: 'unauthenticated' })

function drain(channel: Channel): AccessEntry[] {
  const entries: AccessEntry[] = []
  for (let entry = channel.shift(); entry !== undefined; entry = channel.shift()) entries.push(entry)
  return entries
}

t.test('a tenant that floods at a hundred times the rate costs another tenant nothing', async (t) => {
  const { channel, ledger } = channelOf(1000)
  for (let i = 0; i < 40_000; i++) channel.push(bulk(i % 100 === 0 ? 'quiet' : 'loud'))
  t.equal(ledger.account('quiet').dropped.channel_full, 0, 'up to its fair share of 500')
  t.equal(channel.size, 1000)
  const kept = drain(channel)
  t.equal(kept.filter((entry) => entry.tenant === 'quiet').length, 400)
  t.same(
    kept.map((entry) => entry.seq),
    kept.map((entry) => entry.seq).sort((a, b) => a - b),
    'in order',
  )
})

t.test(
  'beyond its fair share a tenant loses its own, oldest reads first, and keeps refusals and writes',
  async (t) => {
    const { channel, ledger } = channelOf(10)
    for (let i = 0; i < 10; i++) channel.push(bulk('a'))
    t.equal(channel.push(bulk('a')), false, 'a read does not displace a read')
    t.equal(channel.push(refusal('a')), true)
    t.equal(channel.push(write('a')), true)
    t.equal(ledger.account('a').dropped.channel_full, 3)
    t.same(
      drain(channel).map((entry) => entry.seq),
      [3, 4, 5, 6, 7, 8, 9, 10, 12, 13],
    )
  },
)

t.test('E5: failures with a key of a tenant take nothing of its share, and are counted as its', async (t) => {
  const stray = (): AccessEntry => Object.assign(refusal('a'), { standing: 'stray' })
  const { channel, ledger } = channelOf(100)
  for (let i = 0; i < 30; i++) channel.push(bulk('b'))
  for (let i = 0; i < 2000; i++) channel.push(stray())
  for (let i = 0; i < 50; i++) t.ok(channel.push(bulk('a')), 'the tenant has its fair share')
  t.equal(ledger.account('b').dropped.channel_full, 0)
  t.equal(ledger.account('a').accepted, 2050)
  t.equal(ledger.account('a').dropped.channel_full, 2000 - 20, 'of the failures, nothing else')
  const kept = drain(channel)
  const count = (accept: (entry: AccessEntry) => boolean): number => kept.filter(accept).length
  t.equal(
    count(({ tenant, outcome }) => tenant === 'a' && outcome === 'forwarded'),
    50,
  )
  t.equal(
    count(({ standing }) => standing === 'stray'),
    20,
  )
  t.equal(channel.size, 0)
  for (let i = 0; i < 150; i++) channel.push(bulk('a'))
  t.equal(channel.size, 100, 'and all is given back')
})

t.test('requests without a tenant go first and displace nobody', async (t) => {
  const { channel, ledger } = channelOf(10)
  for (let i = 0; i < 10; i++) channel.push(refusal(''))
  t.equal(channel.push(refusal('')), false)
  for (let i = 0; i < 10; i++) t.equal(channel.push(bulk('a')), true)
  t.equal(channel.push(refusal('')), false)
  t.equal(ledger.account('').dropped.channel_full, 12)
  t.equal(ledger.account('a').dropped.channel_full, 0)
  t.same(new Set(drain(channel).map((entry) => entry.tenant)), new Set(['a']))
})

t.test('a newcomer finds room however full the queue is of others', async (t) => {
  const { channel, ledger } = channelOf(100)
  for (let i = 0; i < 1000; i++) channel.push(write(`t${i % 3}`))
  for (let i = 0; i < 22; i++) t.equal(channel.push(bulk('new')), true, 'nine tenths of 100 among four')
  for (let i = 0; i < 100; i++) channel.push(bulk('new'))
  t.ok(ledger.account('new').buffered <= 26, 'and no more than its share')
})

t.test('room in bytes is made the same way, and nothing loops', async (t) => {
  const { channel, ledger } = channelOf(1000, 20_000)
  for (let i = 0; i < 100; i++) channel.push(entryOf({ tenant: 'loud', path: 'x'.repeat(2000) }))
  t.equal(channel.push(bulk('quiet')), true)
  t.equal(
    channel.push(entryOf({ tenant: 'quiet', path: 'x'.repeat(30_000) })),
    false,
    'larger than all of it',
  )
  t.ok(channel.stats.bytes <= 20_000)
  t.equal(ledger.account('quiet').buffered + ledger.account('quiet').dropped.channel_full, 2)
})

t.test('books, order, bounds and guaranteed shares hold for any sequence of pushes and takes', async () => {
  const step = fc.record({
    tenant: fc.constantFrom('', 'a', 'b', 'c'),
    kind: fc.constantFrom('bulk', 'write', 'refusal', 'take'),
    length: fc.integer({ min: 0, max: 300 }),
  })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 400 }), fc.integer({ min: 1, max: 20 }), (steps, capacity) => {
      const { channel, ledger } = channelOf(capacity, 8000)
      let lastTaken = 0
      let taken = 0
      for (const { tenant, kind, length } of steps) {
        if (kind === 'take') {
          const entry = channel.shift()
          if (entry === undefined) continue
          if (entry.seq <= lastTaken || entry.isEvicted) return false
          lastTaken = entry.seq
          taken++
          ledger.settle(entry.tenant, 1)
        } else {
          const make = kind === 'bulk' ? bulk : kind === 'write' ? write : refusal
          const entry = make(tenant)
          entry.path = 'x'.repeat(length)
          channel.push(entry)
        }
        const { accepted, stored, buffered, dropped } = ledger.totals
        const lost = dropped.channel_full + dropped.rejected + dropped.shutdown
        if (accepted !== stored + buffered + lost || buffered !== channel.size || stored !== taken)
          return false
        if (channel.size > capacity || channel.stats.bytes > 8000) return false
      }
      return drain(channel).length === ledger.totals.buffered && channel.stats.bytes === 0
    }),
    { numRuns: 300 },
  )
})
