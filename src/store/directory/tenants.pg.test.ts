import t from 'tap'
import { createTenant, getTenant, listTenants, setTenantState, updateTenant } from './tenants.ts'
import { testDatabase } from '../../test/database.ts'

const { sql } = await testDatabase(t)

t.test('a tenant is created once, listed by slug and changed setting by setting', async (t) => {
  const rateLimit = { perSecond: 5.5, burst: 10 }
  const made = await createTenant(sql, 'acme', { rateLimit, routeRateLimits: { npm: rateLimit } })
  t.match(made, { slug: 'acme', state: 'active', rateLimit, maxConcurrency: null, version: 1 })
  await t.rejects(createTenant(sql, 'acme', {}), { name: 'StoreError', code: 'tenant_exists' })
  await t.rejects(createTenant(sql, 'Not a slug', {}), { code: '23514' })
  await createTenant(sql, 'beta', { maxConcurrency: 3 })

  const pypi = { perSecond: 1, burst: 1 }
  const changed = await updateTenant(sql, 'acme', { routeRateLimits: { pypi }, maxConcurrency: 7 }, 1)
  t.match(changed, { rateLimit, routeRateLimits: { npm: rateLimit, pypi }, maxConcurrency: 7, version: 2 })
  const cleared = await updateTenant(sql, 'acme', { rateLimit: null, routeRateLimits: { npm: null } }, null)
  t.same(cleared.routeRateLimits, { pypi })
  t.equal(cleared.rateLimit, null)
  t.equal(cleared.maxConcurrency, 7)
  t.same(await getTenant(sql, 'acme'), cleared)

  t.same(
    (await listTenants(sql)).map((tenant) => tenant.slug),
    ['acme', 'beta'],
  )
  t.same(
    (await listTenants(sql, { after: 'acme' })).map((tenant) => tenant.slug),
    ['beta'],
  )
  t.same(
    (await listTenants(sql, { limit: 1 })).map((tenant) => tenant.slug),
    ['acme'],
  )
  t.equal(await getTenant(sql, 'nobody'), null)
})

t.test(
  'a tenant spills unless it is told otherwise, and keeps its policy when other settings change',
  async (t) => {
    t.equal((await createTenant(sql, 'usual', {})).logPolicy, 'spill')
    t.equal((await createTenant(sql, 'strict', { logPolicy: 'strict' })).logPolicy, 'strict')
    t.equal((await updateTenant(sql, 'strict', { maxConcurrency: 1 }, null)).logPolicy, 'strict')
    t.equal((await updateTenant(sql, 'strict', { logPolicy: 'best_effort' }, null)).logPolicy, 'best_effort')
    await t.rejects(sql`UPDATE tenants SET log_policy = 'lax' WHERE slug = 'strict'`, { code: '23514' })
  },
)

t.test('a stale or late change is refused', async (t) => {
  await createTenant(sql, 'stale', {})
  await updateTenant(sql, 'stale', { maxConcurrency: 1 }, 1)
  await t.rejects(updateTenant(sql, 'stale', { maxConcurrency: 2 }, 1), { code: 'stale_version' })
  await t.rejects(updateTenant(sql, 'nobody', {}, null), { code: 'tenant_not_found' })
  t.match(await getTenant(sql, 'stale'), { maxConcurrency: 1, version: 2 })
})

t.test('suspending and resuming alternate, deleting is final', async (t) => {
  await createTenant(sql, 'gone', {})
  t.match(await setTenantState(sql, 'gone', 'suspended'), {
    changed: true,
    tenant: { state: 'suspended', version: 2 },
  })
  t.match(await setTenantState(sql, 'gone', 'suspended'), { changed: false, tenant: { version: 2 } })
  t.match(await setTenantState(sql, 'gone', 'active'), { changed: true, tenant: { state: 'active' } })
  t.match(await setTenantState(sql, 'gone', 'deleted'), { changed: true })
  t.match(await setTenantState(sql, 'gone', 'deleted'), { changed: false })
  for (const state of ['active', 'suspended'] as const) {
    await t.rejects(setTenantState(sql, 'gone', state), { code: 'tenant_deleted' })
  }
  await t.rejects(updateTenant(sql, 'gone', {}, null), { code: 'tenant_deleted' })
  await t.rejects(createTenant(sql, 'gone', {}), { code: 'tenant_exists' })
  await t.rejects(setTenantState(sql, 'nobody', 'active'), { code: 'tenant_not_found' })
  t.notOk((await listTenants(sql)).some((tenant) => tenant.slug === 'gone'))
  t.ok((await listTenants(sql, { includeDeleted: true })).some((tenant) => tenant.slug === 'gone'))
})

t.test('the database itself refuses to undo or remove, whoever asks', async (t) => {
  await createTenant(sql, 'raw', {})
  await setTenantState(sql, 'raw', 'deleted')
  await t.rejects(sql`UPDATE tenants SET state = 'active' WHERE slug = 'raw'`, { code: 'WB001' })
  await t.rejects(sql`DELETE FROM tenants WHERE slug = 'raw'`, { code: 'WB003' })
  await t.rejects(sql`TRUNCATE tenants CASCADE`, { code: 'WB003' })
  await t.rejects(sql`UPDATE tenants SET slug = 'other' WHERE slug = 'acme'`, { code: 'WB003' })
  const [row] =
    await sql`UPDATE tenants SET version = 1000, created_at = 'epoch' WHERE slug = 'beta' RETURNING version`
  t.same(row, { version: 2 }, 'the version is the database’s to count')
})
