import * as fc from 'fast-check'
import t from 'tap'
import { type AccessEntry, ENTRY_TEXT_MAX, type EntryStanding } from '../model/access-entry.ts'
import { Channel } from './channel.ts'
import { RESERVED_BYTES } from './fair-queue.ts'
import { HeaviestTenant } from './heaviest-tenant.ts'
import { Ledger } from './ledger.ts'
import { TenantShare } from './tenant-share.ts'
import { brokenAccounts, entryOf } from '../test/writer-parts.ts'

function channelOf(capacityEntries: number, capacityBytes = 1e9): { channel: Channel; ledger: Ledger } {
  const ledger = new Ledger()
  return { channel: new Channel({ capacityEntries, capacityBytes, ledger }), ledger }
}

function entry(tenant: string, standing: EntryStanding = 'firm', fields: Partial<AccessEntry> = {}) {
  return entryOf({ tenant, standing, outcome: 'forwarded', ...fields })
}

function drain(channel: Channel): AccessEntry[] {
  const entries: AccessEntry[] = []
  for (let next = channel.shift(); next !== undefined; next = channel.shift()) entries.push(next)
  return entries
}

const lost = (ledger: Ledger, tenant: string): number => ledger.account(tenant).dropped.channel_full

t.test(
  'loose entries give way first, refusals and writes too, and displace nobody but each other',
  async (t) => {
    const { channel, ledger } = channelOf(10)
    for (let i = 0; i < 5; i++) channel.push(entry('easy', 'loose', { method: 'PUT' }))
    for (let i = 0; i < 5; i++) channel.push(entry('usual'))
    t.equal(channel.push(entry('easy', 'loose')), false, 'the flood of its own does not displace its writes')
    for (let i = 0; i < 5; i++) t.equal(channel.push(entry('usual')), true)
    t.same([lost(ledger, 'easy'), lost(ledger, 'usual')], [6, 0])
    t.equal(channel.push(entry('easy', 'loose', { method: 'PUT' })), false, 'nothing of its kind is left')
    t.equal(channel.push(entry('usual')), false)
    t.equal(drain(channel).length, 10)
    t.same(brokenAccounts(ledger), [])
  },
)

t.test('among loose entries the tenant that floods loses its own first', async (t) => {
  const { channel, ledger } = channelOf(100)
  for (let i = 0; i < 4000; i++) channel.push(entry(i % 100 === 0 ? 'quiet' : 'loud', 'loose'))
  t.equal(lost(ledger, 'quiet'), 0)
  t.equal(channel.size, 100)
  for (let i = 0; i < 15; i++) channel.push(entry('usual'))
  t.equal(lost(ledger, 'quiet'), 0, 'nor does room for others cost the quiet one first')
  t.equal(drain(channel).filter(({ tenant }) => tenant === 'quiet').length, 40)
})

t.test('a held entry is taken into a full channel, and never displaced', async (t) => {
  const { channel, ledger } = channelOf(100)
  t.equal(channel.reserve('strict'), null)
  for (let i = 0; i < 1000; i++) channel.push(entry('loud', 'firm', { method: 'PUT' }))
  t.equal(channel.size, 100)
  t.equal(channel.push(entry('strict', 'held')), true)
  for (let i = 0; i < 1000; i++) channel.push(entry('loud', 'firm', { method: 'PUT' }))
  for (let i = 0; i < 1000; i++) channel.push(entry('strict'))
  t.equal(drain(channel).filter(({ standing }) => standing === 'held').length, 1)
  t.equal(lost(ledger, 'loud') > 0, true)
  t.equal(channel.stats.reserved, 0, 'its place is free again')
  t.same(brokenAccounts(ledger), [])
})

t.test('whoever claims all it can get leaves as much again, and half belongs to the others', async (t) => {
  const { channel } = channelOf(1200)
  const claims = (tenant: string): number => {
    let n = 0
    while (channel.reserve(tenant) === null) n++
    return n
  }
  t.equal(claims('first'), 300, 'of the 600 that may be claimed')
  t.equal(claims('second'), 150)
  t.equal(claims('third'), 75)
  t.equal(channel.reserveRefusal, null, 'a newcomer still gets a place')
  t.equal(channel.stats.reserved, 525)
})

t.test('places are promised in bytes as well', async (t) => {
  const { channel } = channelOf(1000, 10 * RESERVED_BYTES)
  for (let i = 0; i < 10; i++) t.equal(channel.reserve('a'), null)
  t.equal(channel.reserve('a'), 'log_full')
  t.equal(channel.reserveRefusal, 'log_full')
  t.equal(channel.push(entry('a', 'held')), true)
  t.equal(channel.reserve('a'), 'log_full', 'what it takes is less than what was set aside, but not nothing')
  channel.shift()
  t.equal(channel.reserve('a'), null)
})

t.test('the longest entry needs no more than is set aside for it', async (t) => {
  const { channel } = channelOf(10)
  const fields: Partial<AccessEntry> = {
    tenant: 'x'.repeat(63),
    keyId: 'x'.repeat(12),
    route: 'x'.repeat(63),
  }
  for (const [name, max] of Object.entries(ENTRY_TEXT_MAX)) Object.assign(fields, { [name]: 'x'.repeat(max) })
  Object.assign(fields, { upstream: 'x'.repeat(259), clientIp: 'x'.repeat(45), ecosystem: 'x'.repeat(11) })
  channel.push(entryOf(fields))
  t.ok(channel.stats.bytes <= RESERVED_BYTES, `${channel.stats.bytes}`)
})

t.test('while nothing gets out, no place is promised', async (t) => {
  const { channel } = channelOf(10)
  let isBlocked = true
  channel.blockedWhen(() => isBlocked)
  t.same(
    [channel.reserve('a'), channel.reserveRefusal, channel.stats.isBlocked],
    ['log_blocked', 'log_blocked', true],
  )
  t.equal(channel.stats.reserved, 0)
  isBlocked = false
  t.same([channel.reserve('a'), channel.reserveRefusal], [null, null])
})

t.test('an entry that is a bug, or comes too late, gives its place back', async (t) => {
  const { channel, ledger } = channelOf(10)
  channel.reserve('a')
  channel.push(entry('a', 'held', { path: undefined as unknown as string }))
  t.equal(channel.stats.reserved, 0)
  channel.reserve('a')
  channel.close()
  t.equal(channel.push(entry('a', 'held')), false)
  t.equal(ledger.account('a').dropped.shutdown, 1)
})

t.test(
  'held entries are never lost, bounds hold and books balance, whatever happens in whatever order',
  async () => {
    const step = fc.record({
      tenant: fc.constantFrom('', 'a', 'b', 'c'),
      act: fc.constantFrom('firm', 'loose', 'reserve', 'finish', 'shift'),
      method: fc.constantFrom('GET', 'PUT'),
      length: fc.integer({ min: 0, max: 3000 }),
    })
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 300 }),
        fc.integer({ min: 4, max: 40 }),
        fc.integer({ min: 5, max: 20 }),
        (steps, capacityEntries, capacityKb) => {
          const capacityBytes = capacityKb * 1024
          const { channel, ledger } = channelOf(capacityEntries, capacityBytes)
          const inFlight: string[] = []
          const held = new Set<number>()
          const out: AccessEntry[] = []
          for (const { tenant, act, method, length } of steps) {
            const fields = { method, path: 'x'.repeat(length) }
            if (act === 'firm') channel.push(entry(tenant, 'firm', fields))
            else if (act === 'loose' && tenant !== '') channel.push(entry(tenant, 'loose', fields))
            else if (act === 'reserve' && tenant !== '') {
              if (channel.reserve(tenant) === null) inFlight.push(tenant)
            } else if (act === 'finish') {
              const owner = inFlight.pop()
              if (owner === undefined) continue
              if (!channel.push(entry(owner, 'held', fields))) throw new Error('a promise was broken')
              held.add(channel.lastSeq)
            } else {
              const next = channel.shift()
              if (next !== undefined) {
                out.push(next)
                ledger.settle(next.tenant, 1)
              }
            }
            if (channel.size > capacityEntries || channel.stats.bytes > capacityBytes)
              throw new Error('bound')
            if (channel.stats.reserved > capacityEntries / 2) throw new Error('more than half is claimed')
            if (brokenAccounts(ledger).length > 0)
              throw new Error(`books of ${brokenAccounts(ledger).join()}`)
          }
          out.push(...drain(channel))
          for (const { seq } of out) held.delete(seq)
          if (held.size > 0) throw new Error(`held entries lost: ${[...held].join()}`)
          if (channel.stats.reserved !== inFlight.length) throw new Error('claims are left')
          if (channel.stats.bytes !== 0) throw new Error('bytes are left')
          if (out.some(({ seq }, i) => i > 0 && seq <= (out[i - 1]?.seq ?? 0))) throw new Error('order')
        },
      ),
      { numRuns: 500 },
    )
  },
)

t.test(
  'ten thousand equal tenants are searched once for each round of evictions, not for each eviction',
  async (t) => {
    let looks = 0
    const shares = Array.from({ length: 10_000 }, () => new TenantShare())
    for (const share of shares) for (let i = 0; i < 6; i++) share.loose.add(entryOf())
    const heaviest = new HeaviestTenant(
      function* () {
        for (const share of shares) {
          looks++
          yield share
        }
      },
      (share) => share.loose.size,
    )
    let evicted = 0
    for (let share = heaviest.find(); share !== null; share = heaviest.find()) {
      share.loose.evict()
      evicted++
    }
    t.equal(evicted, 60_000)
    t.ok(looks <= 14 * 10_000, `${looks} looks`)
  },
)
