import { createHash } from 'node:crypto'
import * as fc from 'fast-check'
import t from 'tap'
import type { TenantGrant } from '../model/grant.ts'
import { tenantOf } from '../test/grants.ts'
import type { KeyRecord } from './directory-source.ts'
import { type DirectorySnapshot, SnapshotUpdate } from './snapshot.ts'

const digestOf = (n: number) => createHash('sha256').update(`${n}`).digest('hex')

function key(n: number, extra: Partial<KeyRecord> = {}): KeyRecord {
  const base = {
    tenant: 'acme',
    scopes: 'npm:read',
    networks: '',
    rateLimit: null,
    expiresAtMs: null,
    isRevoked: false,
  }
  return { ...base, id: `key${n}`, digest: digestOf(n), version: 1, ...extra }
}

function tenant(slug: string, extra: Partial<TenantGrant> = {}): TenantGrant {
  return tenantOf({ slug, ...extra })
}

const scopes = new Map()

function update(
  base: DirectorySnapshot | null,
  isFull: boolean,
  keys: KeyRecord[],
  tenants: TenantGrant[] = [],
) {
  const next = new SnapshotUpdate(base, isFull, scopes)
  next.add({ keys, tenants })
  return next.finish()
}

const thousand = Array.from({ length: 1000 }, (_, n) => key(n))

t.test('a loaded key is found by its digest with all it grants', (t) => {
  const rateLimit = { perSecond: 1, burst: 2 }
  const full = key(1, {
    networks: '10.0.0.0/8 2001:db8::/32',
    rateLimit,
    expiresAtMs: 5,
    isRevoked: true,
    scopes: '',
  })
  const routeRateLimits = { npm: rateLimit }
  const snapshot = update(
    null,
    true,
    [full, key(2)],
    [tenant('acme', { routeRateLimits, maxConcurrency: 3 })],
  )
  const grant = snapshot.keyByDigest(digestOf(1))
  t.match(grant, { id: 'key1', tenant: 'acme', expiresAtMs: 5, isRevoked: true, rateLimit, version: 1 })
  t.equal(grant?.networks?.check('10.9.9.9'), true)
  t.equal(grant?.networks?.check('11.9.9.9'), false)
  t.equal(grant?.scopes.read.size, 0)
  const plain = snapshot.keyByDigest(digestOf(2))
  t.match(plain, { expiresAtMs: Infinity, networks: null })
  t.ok(plain?.scopes.read.has('npm'))
  t.match(snapshot.tenants.get('acme'), { maxConcurrency: 3, routeRateLimits: { npm: rateLimit } })
  for (const digest of ['', 'x', 'zz', '\u{1f600}', digestOf(3)])
    t.equal(snapshot.keyByDigest(digest), undefined)
  t.equal(snapshot.keyCount, 2)
  t.end()
})

t.test('a change copies one shard, shares the others and leaves the old snapshot as it was', (t) => {
  const before = update(null, true, thousand, [tenant('acme')])
  const after = update(before, false, [key(5, { version: 2, isRevoked: true })])
  t.equal(before.keyByDigest(digestOf(5))?.isRevoked, false)
  t.equal(after.keyByDigest(digestOf(5))?.isRevoked, true)
  t.equal(after.keyCount, 1000)
  t.equal(after.keys.shards.filter((shard, i) => shard !== before.keys.shards[i]).length, 1)
  t.equal(after.tenants, before.tenants)
  t.equal(
    thousand.every(({ digest }) => after.keyByDigest(digest) !== undefined),
    true,
  )
  t.end()
})

t.test('rows that tell nothing new leave the very same snapshot', (t) => {
  const before = update(null, true, thousand, [tenant('acme')])
  t.equal(update(before, false, []), before)
  t.equal(update(before, false, [key(5)], [tenant('acme')]), before)
  t.equal(update(before, true, thousand, [tenant('acme')]), before)
  t.end()
})

t.test('F6: of 100,000 tenants a change copies one part in 256, and no news copies nothing', (t) => {
  const many = Array.from({ length: 100_000 }, (_, n) => tenant(`customer-${n}`))
  const before = update(null, true, [], many)
  t.equal(before.tenants.size, 100_000)
  t.ok(
    Math.max(...before.tenants.shards.map((shard) => shard.size)) < 4000,
    'no part is much larger than others',
  )
  t.equal(update(before, false, []), before)
  const after = update(before, false, [], [tenant('customer-7', { version: 2, state: 'suspended' })])
  t.equal(after.tenants.shards.filter((shard, i) => shard !== before.tenants.shards[i]).length, 1)
  t.equal(after.keys, before.keys)
  t.equal(after.tenants.get('customer-7')?.state, 'suspended')
  t.equal(before.tenants.get('customer-7')?.state, 'active')
  t.end()
})

t.test('D2: a full load replaces all, with lower versions and what it gives back', (t) => {
  const before = update(
    null,
    true,
    [key(1, { version: 3, isRevoked: true }), key(2), key(3, { version: 4 })],
    [tenant('a', { version: 3, state: 'suspended' }), tenant('b')],
  )
  const after = update(
    before,
    true,
    [key(1, { version: 2 }), key(3, { version: 2, isRevoked: true })],
    [tenant('a', { version: 2 })],
  )
  t.match(after.keyByDigest(digestOf(1)), { isRevoked: false, version: 2 })
  t.match(after.keyByDigest(digestOf(3)), { isRevoked: true, version: 2 })
  t.equal(after.keyByDigest(digestOf(2)), undefined)
  t.match(after.tenants.get('a'), { state: 'active', version: 2 })
  t.equal(after.tenants.get('b'), undefined)
  t.equal(after.keyCount, 2)
  t.end()
})

t.test('D2: a row that is not newer and differs takes away at once, gives nothing, and asks for all', (t) => {
  const before = update(
    null,
    true,
    [
      key(1, { version: 3 }),
      key(2, { version: 3, isRevoked: true }),
      key(3, { version: 3, expiresAtMs: 900 }),
    ],
    [tenant('a', { version: 3 }), tenant('b', { version: 3, state: 'suspended' })],
  )
  const contradict = (keys: KeyRecord[], tenants: TenantGrant[] = []) => {
    const next = new SnapshotUpdate(before, false, scopes)
    next.add({ keys, tenants })
    t.equal(next.isContradicted, true)
    return next.finish()
  }
  for (const version of [1, 3]) {
    t.equal(contradict([key(1, { version, isRevoked: true })]).keyByDigest(digestOf(1))?.isRevoked, true)
    t.equal(contradict([key(2, { version })]).keyByDigest(digestOf(2))?.isRevoked, true)
    t.equal(contradict([key(3, { version, expiresAtMs: 5 })]).keyByDigest(digestOf(3))?.expiresAtMs, 5)
    t.equal(contradict([key(3, { version })]).keyByDigest(digestOf(3))?.expiresAtMs, 900)
    t.equal(contradict([key(1, { version, scopes: '' })]), before, 'the full load brings it')
    t.equal(
      contradict([], [tenant('a', { version, state: 'suspended' })]).tenants.get('a')?.state,
      'suspended',
    )
    t.equal(contradict([], [tenant('b', { version })]).tenants.get('b')?.state, 'suspended')
  }
  t.equal(contradict([key(2, { version: 9 })]).keyByDigest(digestOf(2))?.isRevoked, true, 'revoked is final')
  t.end()
})

t.test('whatever comes in whatever order, a full load leaves exactly its rows', (t) => {
  const change = fc.record({
    n: fc.nat(3),
    version: fc.integer({ min: 1, max: 6 }),
    isFinal: fc.boolean(),
    isFull: fc.boolean(),
  })
  fc.assert(
    fc.property(fc.array(change, { maxLength: 30 }), (changes) => {
      let snapshot = update(null, true, [])
      for (const { n, version, isFinal, isFull } of changes) {
        const old = snapshot.keyByDigest(digestOf(n))
        const state = isFinal ? 'deleted' : 'active'
        const row = key(n, { version, isRevoked: isFinal })
        const next = update(snapshot, isFull, [row], [tenant(`t${n}`, { version, state })])
        const now = next.keyByDigest(digestOf(n))
        const nowTenant = next.tenants.get(`t${n}`)
        if (now === undefined || nowTenant === undefined) return false
        if (isFinal && !now.isRevoked) return false
        if (isFinal && nowTenant.state !== 'deleted') return false
        if (!isFull && old?.isRevoked === true && !now.isRevoked) return false
        if (isFull && (now.version !== version || now.isRevoked !== isFinal || next.keyCount !== 1))
          return false
        if (next.keyCount !== next.keys.shards.reduce((sum, shard) => sum + shard.size, 0)) return false
        snapshot = next
      }
      return true
    }),
  )
  t.end()
})
