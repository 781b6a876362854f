import { createHash } from 'node:crypto'
import * as fc from 'fast-check'
import t from 'tap'
import type { KeyRecord, TenantRecord } from './directory-source.ts'
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

function tenant(slug: string, extra: Partial<TenantRecord> = {}): TenantRecord {
  return {
    slug,
    state: 'active',
    rateLimit: null,
    routeRateLimits: {},
    maxConcurrency: null,
    logPolicy: 'spill',
    version: 1,
    ...extra,
  }
}

const scopes = new Map()

function update(
  base: DirectorySnapshot | null,
  isFull: boolean,
  keys: KeyRecord[],
  tenants: TenantRecord[] = [],
) {
  const next = new SnapshotUpdate(base, isFull, scopes)
  next.add({ keys, tenants })
  return next.finish()
}

const thousand = Array.from({ length: 1000 }, (_, n) => key(n))

void t.test('a loaded key is found by its digest with all it grants', (t) => {
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
  t.match(snapshot.tenants.get('acme'), { maxConcurrency: 3, routeRateLimits: new Map([['npm', rateLimit]]) })
  for (const digest of ['', 'x', 'zz', '\u{1f600}', digestOf(3)])
    t.equal(snapshot.keyByDigest(digest), undefined)
  t.equal(snapshot.keyCount, 2)
  t.end()
})

void t.test('a change copies one shard, shares the others and leaves the old snapshot as it was', (t) => {
  const before = update(null, true, thousand, [tenant('acme')])
  const after = update(before, false, [key(5, { version: 2, isRevoked: true })])
  t.equal(before.keyByDigest(digestOf(5))?.isRevoked, false)
  t.equal(after.keyByDigest(digestOf(5))?.isRevoked, true)
  t.equal(after.keyCount, 1000)
  t.equal(after.shards.filter((shard, i) => shard !== before.shards[i]).length, 1)
  t.equal(
    thousand.every(({ digest }) => after.keyByDigest(digest) !== undefined),
    true,
  )
  t.end()
})

void t.test('rows that tell nothing new leave the very same snapshot', (t) => {
  const before = update(null, true, thousand, [tenant('acme')])
  t.equal(update(before, false, []), before)
  t.equal(update(before, false, [key(5)], [tenant('acme')]), before)
  t.equal(update(before, true, thousand, [tenant('acme')]), before)
  t.end()
})

void t.test('a full load drops what is gone and keeps what memory knows better', (t) => {
  const before = update(
    null,
    true,
    [key(1, { version: 3, isRevoked: true }), key(2)],
    [tenant('a'), tenant('b')],
  )
  const after = update(before, true, [key(1, { version: 2 })], [tenant('a')])
  t.match(after.keyByDigest(digestOf(1)), { isRevoked: true, version: 3 })
  t.equal(after.keyByDigest(digestOf(2)), undefined)
  t.same([...after.tenants.keys()], ['a'])
  t.equal(after.keyCount, 1)
  t.end()
})

void t.test('whatever the order of arrival, versions only grow and revoked or deleted stays so', (t) => {
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
        const oldTenant = snapshot.tenants.get(`t${n}`)
        const state = isFinal ? 'deleted' : 'active'
        const next = update(
          snapshot,
          isFull,
          [key(n, { version, isRevoked: isFinal })],
          [tenant(`t${n}`, { version, state })],
        )
        const now = next.keyByDigest(digestOf(n))
        const nowTenant = next.tenants.get(`t${n}`)
        if (now === undefined || nowTenant === undefined) return false
        if (now.version < Math.max(version, old?.version ?? 0)) return false
        if (old?.isRevoked === true && !now.isRevoked) return false
        if (oldTenant?.state === 'deleted' && nowTenant.state !== 'deleted') return false
        if (next.keyCount !== next.shards.reduce((sum, shard) => sum + shard.size, 0)) return false
        snapshot = next
      }
      return true
    }),
  )
  t.end()
})
