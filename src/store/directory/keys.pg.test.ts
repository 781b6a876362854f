import * as fc from 'fast-check'
import t from 'tap'
import { mintKey } from '../../model/api-key.ts'
import { StoreError } from '../errors.ts'
import {
  type ApiKey,
  getKey,
  insertKey,
  listKeys,
  type NewKey,
  revokeKey,
  rotateKey,
  touchKeys,
  updateKey,
} from './keys.ts'
import { closeSql, openControl } from '../sql.ts'
import { createTenant, getTenant, setTenantState, updateTenant } from './tenants.ts'
import { testDatabase } from '../../test/database.ts'

const { sql, target } = await testDatabase(t)
const DAY_MS = 86_400_000
let tenants = 0

async function freshTenant(): Promise<string> {
  const slug = `tenant-${++tenants}`
  await createTenant(sql, slug, {})
  return slug
}

function newKey(tenant: string, extra: Partial<NewKey> = {}): NewKey {
  const { id, digest } = mintKey()
  const base = {
    id,
    digest,
    tenant,
    name: null,
    scopes: ['npm:read'],
    allowNetworks: [],
    rateLimit: null,
    expiresAt: null,
  }
  return { ...base, ...extra }
}

t.test('a key is stored with all it has and no more', async (t) => {
  const tenant = await freshTenant()
  const key = newKey(tenant, {
    name: 'ci "quoted", {braced}',
    scopes: ['npm:read', '*:*'],
    allowNetworks: ['10.0.0.0/8', '2001:db8::/32', '192.0.2.1', '172.16.9.9/12'],
    rateLimit: { perSecond: 0.5, burst: 2 },
    expiresAt: new Date(Date.now() + DAY_MS),
  })
  const { digest, ...shown } = key
  const stored = await insertKey(sql, key)
  t.match(stored, {
    ...shown,
    allowNetworks: ['10.0.0.0/8', '2001:db8::/32', '192.0.2.1/32', '172.16.0.0/12'],
    state: 'active',
    version: 1,
  })
  t.notOk(JSON.stringify(stored).includes(digest))
  t.same(await getKey(sql, key.id), stored)
  t.equal(await getKey(sql, '000000000000'), null)
  await t.rejects(insertKey(sql, key), { code: 'key_exists' })
  await t.rejects(insertKey(sql, newKey('nobody')), { code: 'tenant_not_found' })
})

t.test('listings leave inactive keys out unless asked', async (t) => {
  const tenant = await freshTenant()
  const active = await insertKey(sql, newKey(tenant))
  const revoked = await insertKey(sql, newKey(tenant))
  const expired = await insertKey(sql, newKey(tenant, { expiresAt: new Date(Date.now() - 1000) }))
  await revokeKey(sql, revoked.id)
  t.same(
    (await listKeys(sql, { tenant })).map((key) => key.id),
    [active.id],
  )
  const states = new Map(
    (await listKeys(sql, { tenant, includeInactive: true })).map((key) => [key.id, key.state]),
  )
  t.same(
    states,
    new Map([
      [active.id, 'active'],
      [revoked.id, 'revoked'],
      [expired.id, 'expired'],
    ]),
  )
})

t.test('revoking is final and a repetition changes nothing', async (t) => {
  const { id } = await insertKey(sql, newKey(await freshTenant()))
  const first = await revokeKey(sql, id)
  t.equal(first.changed, true)
  t.equal(first.key.state, 'revoked')
  t.same(await revokeKey(sql, id), { key: first.key, changed: false })
  await t.rejects(updateKey(sql, id, { name: 'x' }, null), { code: 'key_revoked' })
  await t.rejects(rotateKey(sql, id, mintKey(), 1000), { code: 'key_revoked' })
  await t.rejects(revokeKey(sql, '000000000000'), { code: 'key_not_found' })
  for (const attempt of [
    sql`UPDATE api_keys SET revoked_at = NULL WHERE id = ${id}`,
    sql`UPDATE api_keys SET revoked_at = now() + interval '1 day' WHERE id = ${id}`,
    sql`UPDATE api_keys SET expires_at = NULL WHERE id = ${id}`,
  ]) {
    await t.rejects(attempt, { code: 'WB002' })
  }
  await t.rejects(sql`DELETE FROM api_keys WHERE id = ${id}`, { code: 'WB003' })
  t.same(await getKey(sql, id), first.key)
})

t.test('a change needs the version it was made from', async (t) => {
  const { id } = await insertKey(sql, newKey(await freshTenant()))
  const expiresAt = new Date(Date.now() + DAY_MS)
  t.match(await updateKey(sql, id, { name: 'a', expiresAt }, 1), { name: 'a', expiresAt, version: 2 })
  await t.rejects(updateKey(sql, id, { name: 'b' }, 1), { code: 'stale_version' })
  t.match(await updateKey(sql, id, { rateLimit: { perSecond: 1, burst: 2 } }, 2), {
    name: 'a',
    expiresAt,
    version: 3,
  })
  t.match(await updateKey(sql, id, { name: null, expiresAt: null, rateLimit: null }, null), {
    name: null,
    expiresAt: null,
    rateLimit: null,
  })
  await t.rejects(updateKey(sql, '000000000000', {}, null), { code: 'key_not_found' })
})

t.test('rotation hands everything on and lets the old key run out', async (t) => {
  const tenant = await freshTenant()
  const old = await insertKey(
    sql,
    newKey(tenant, {
      name: 'ci',
      allowNetworks: ['10.0.0.0/8'],
      expiresAt: new Date(Date.now() + 90 * DAY_MS),
    }),
  )
  const next = mintKey()
  const rotated = await rotateKey(sql, old.id, next, 3_600_000)
  t.match(rotated.new, {
    id: next.id,
    tenant,
    name: 'ci',
    scopes: old.scopes,
    allowNetworks: old.allowNetworks,
    state: 'active',
  })
  const lifetimeMs = (key: ApiKey) => (key.expiresAt?.getTime() ?? 0) - key.createdAt.getTime()
  t.ok(Math.abs(lifetimeMs(rotated.new) - lifetimeMs(old)) <= 1)
  t.equal(rotated.old.rotatedTo, next.id)
  t.ok(Math.abs((rotated.old.expiresAt?.getTime() ?? 0) - rotated.new.createdAt.getTime() - 3_600_000) <= 1)
  await t.rejects(rotateKey(sql, old.id, mintKey(), 0), { code: 'key_rotated' })

  const soon = await insertKey(sql, newKey(tenant, { expiresAt: new Date(Date.now() + 60_000) }))
  t.same(
    (await rotateKey(sql, soon.id, mintKey(), DAY_MS)).old.expiresAt,
    soon.expiresAt,
    'never later than it was',
  )
  const eternal = await insertKey(sql, newKey(tenant))
  t.equal((await rotateKey(sql, eternal.id, mintKey(), 0)).new.expiresAt, null)
  const expired = await insertKey(sql, newKey(tenant, { expiresAt: new Date(0) }))
  await t.rejects(rotateKey(sql, expired.id, mintKey(), 0), { code: 'key_expired' })
})

t.test('last uses only move forward and are no change of the key', async (t) => {
  const { id } = await insertKey(sql, newKey(await freshTenant()))
  await touchKeys(sql, new Map())
  await touchKeys(
    sql,
    new Map([
      [id, 2_000_000_000_123],
      ['000000000000', 5],
    ]),
  )
  await touchKeys(sql, new Map([[id, 1_000_000_000_000]]))
  t.match(await getKey(sql, id), { lastUsedAt: new Date(2_000_000_000_123), version: 1 })
})

t.test('deleting a tenant revokes its keys and no key slips in beside it', async (t) => {
  for (let round = 0; round < 20; round++) {
    const tenant = await freshTenant()
    const inserts = Array.from({ length: 3 }, () => insertKey(sql, newKey(tenant)))
    const results = await Promise.allSettled([...inserts, setTenantState(sql, tenant, 'deleted')])
    for (const result of results) {
      if (result.status === 'rejected') t.match(result.reason, { code: 'tenant_deleted' })
    }
    t.equal(results[3]?.status, 'fulfilled')
    t.same(await listKeys(sql, { tenant }), [], 'no active key is left')
  }
})

t.test('state is monotonic in whatever order two connections act', async (t) => {
  const left = openControl(target, { max: 1 })
  const right = openControl(target, { max: 1 })
  t.teardown(() => Promise.all([closeSql(left, 1000), closeSql(right, 1000)]))
  const operation = fc.tuple(
    fc.boolean(),
    fc.constantFrom(
      'revoke',
      'rename',
      'renameStale',
      'rotate',
      'suspend',
      'resume',
      'delete',
      'limit',
      'unrevoke',
    ),
  )
  await fc.assert(
    fc.asyncProperty(fc.array(operation, { minLength: 1, maxLength: 12 }), async (operations) => {
      const tenant = await freshTenant()
      const { id } = await insertKey(sql, newKey(tenant))
      let seen = await getKey(sql, id)
      let seenTenant = await getTenant(sql, tenant)
      // In pairs, so that every two neighbours race.
      for (let i = 0; i < operations.length; i += 2) {
        const settled = await Promise.allSettled(
          operations.slice(i, i + 2).map(([isLeft, name]) => {
            const on = isLeft ? left : right
            switch (name) {
              case 'revoke':
                return revokeKey(on, id)
              case 'rename':
                return updateKey(on, id, { name: `n${i}` }, null)
              case 'renameStale':
                return updateKey(on, id, { name: 'stale' }, 0)
              case 'rotate':
                return rotateKey(on, id, mintKey(), DAY_MS)
              case 'suspend':
                return setTenantState(on, tenant, 'suspended')
              case 'resume':
                return setTenantState(on, tenant, 'active')
              case 'delete':
                return setTenantState(on, tenant, 'deleted')
              case 'limit':
                return updateTenant(on, tenant, { maxConcurrency: i + 1 }, null)
              case 'unrevoke':
                return on`UPDATE api_keys SET revoked_at = NULL WHERE id = ${id} AND revoked_at IS NOT NULL`
            }
          }),
        )
        for (const result of settled) {
          if (result.status === 'rejected') {
            const { reason } = result as { reason: unknown }
            const isRefusal = reason instanceof StoreError || (reason as { code?: string }).code === 'WB002'
            if (!isRefusal) throw reason
          }
        }
        const key = await getKey(sql, id)
        const owner = await getTenant(sql, tenant)
        if (seen === null || key === null || seenTenant === null || owner === null)
          throw new Error('vanished')
        if (seen.revokedAt !== null) {
          t.same(key, seen, 'nothing about a revoked key changes')
        }
        if (seenTenant.state === 'deleted') t.same(owner, seenTenant)
        if (owner.state === 'deleted') t.not(key.revokedAt, null)
        t.ok(key.version >= seen.version && owner.version >= seenTenant.version)
        t.ok(key.name !== 'stale')
        if (key.version === seen.version) t.same(key, seen, 'no change without a new version')
        seen = key
        seenTenant = owner
      }
    }),
    { numRuns: 60 },
  )
})
