import t from 'tap'
import { testApi } from '../../../test/api/api.ts'
import { testDatabase } from '../../../test/database.ts'

const database = await testDatabase(t)
const api = await testApi(t, database)
const token = await api.tokenFor('admin')
const RATE = { perSecond: 5, burst: 10 }

t.test('a tenant is created once, replaced, changed and read by its version', async (t) => {
  const created = await api.ask('PUT', '/tenants/acme', {
    token,
    json: { rateLimit: RATE, routeRateLimits: { npm: RATE } },
  })
  t.equal(created.status, 201)
  t.equal(created.headers.etag, '"1"')
  const onlyNew = await api.ask('PUT', '/tenants/acme', {
    token,
    json: {},
    headers: { 'if-none-match': '*' },
  })
  t.equal(onlyNew.status, 412)
  const changed = await api.ask('PATCH', '/tenants/acme', {
    token,
    json: { maxConcurrency: 7 },
    headers: { 'if-match': '"1"' },
  })
  t.match(changed.json(), { rateLimit: RATE, maxConcurrency: 7, version: 2 })
  const stale = await api.ask('PATCH', '/tenants/acme', {
    token,
    json: { maxConcurrency: 8 },
    headers: { 'if-match': '"1"' },
  })
  t.equal(stale.status, 412)
  t.equal(stale.json()['code'], 'stale_version')
  const replaced = await api.ask('PUT', '/tenants/acme', { token, json: { maxConcurrency: 9 } })
  t.match(replaced.json(), { rateLimit: null, routeRateLimits: {}, maxConcurrency: 9 })
  t.same((await api.ask('GET', '/tenants/acme', { token })).json(), replaced.json())
  t.equal(
    (await api.ask('PUT', '/tenants/nobody', { token, json: {}, headers: { 'if-match': '"1"' } })).status,
    412,
  )
  t.equal((await api.ask('GET', '/tenants/nobody', { token })).status, 404)
})

t.test('states change, a deleted one never again', async (t) => {
  await api.ask('PUT', '/tenants/globex', { token, json: {} })
  t.match((await api.ask('POST', '/tenants/globex/suspend', { token })).json(), { state: 'suspended' })
  t.match((await api.ask('POST', '/tenants/globex/resume', { token })).json(), { state: 'active' })
  t.match((await api.ask('DELETE', '/tenants/globex', { token })).json(), { state: 'deleted' })
  const refused = await api.ask('PATCH', '/tenants/globex', { token, json: { maxConcurrency: 1 } })
  t.equal(refused.status, 409)
  t.equal(refused.json()['code'], 'tenant_deleted')
})

t.test('tenants come in pages', async (t) => {
  for (const slug of ['p1', 'p2', 'p3']) await api.ask('PUT', `/tenants/${slug}`, { token, json: {} })
  const first = (await api.ask('GET', '/tenants?limit=2', { token })).json()
  t.match(first, { items: [{ slug: 'acme' }, { slug: 'p1' }], next: 'p1' })
  t.match((await api.ask('GET', '/tenants?limit=2&cursor=p1', { token })).json(), {
    items: [{ slug: 'p2' }, { slug: 'p3' }],
    next: null,
  })
})

t.test('a token of a tenant sees its own', async (t) => {
  const own = await api.tokenFor('tenant', 'acme')
  t.match((await api.ask('GET', '/tenants', { token: own })).json(), {
    items: [{ slug: 'acme' }],
    next: null,
  })
  t.equal((await api.ask('GET', '/tenants/acme', { token: own })).status, 200)
  t.equal((await api.ask('GET', '/tenants/p1', { token: own })).json()['code'], 'other_tenant')
})
