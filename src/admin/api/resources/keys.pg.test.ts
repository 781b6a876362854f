import { randomUUID } from 'node:crypto'
import t from 'tap'
import { digestKey, isWellFormedKey } from '../../../model/api-key.ts'
import { confirmFollower } from '../../../store/directory/followers.ts'
import { createTenant } from '../../../store/directory/tenants.ts'
import { testApi } from '../../../test/api/api.ts'
import { testDatabase } from '../../../test/database.ts'

const database = await testDatabase(t)
const api = await testApi(t, database)
const { sql } = database
for (const slug of ['acme', 'globex']) await createTenant(sql, slug, {})
const token = await api.tokenFor('operator')
const mint = (json: object, as = token) => api.ask('POST', '/keys', { token: as, json })

t.test('a key is shown once, changed, rotated and revoked', async (t) => {
  const minted = await mint({
    tenant: 'acme',
    name: 'ci',
    scopes: ['npm:read'],
    allowNetworks: ['10.1.2.3/8'],
    expires: '90d',
  })
  t.equal(minted.status, 201)
  const { key, id } = minted.json() as { key: string; id: string }
  t.ok(isWellFormedKey(key))
  t.same(await sql`SELECT digest FROM api_keys WHERE id = ${id}`, [{ digest: digestKey(key) }])
  const read = await api.ask('GET', `/keys/${id}`, { token })
  t.match(read.json(), { name: 'ci', scopes: ['npm:read'], allowNetworks: ['10.0.0.0/8'], state: 'active' })
  t.notMatch(read.text, key.slice(16))
  const changed = await api.ask('PATCH', `/keys/${id}`, {
    token,
    json: { name: null, expires: null },
    headers: { 'if-match': '"1"' },
  })
  t.match(changed.json(), { name: null, expiresAt: null, version: 2 })
  const rotated = await api.ask('POST', `/keys/${id}/rotate`, { token, json: { overlap: '1h' } })
  t.equal(rotated.status, 201)
  t.equal((await api.ask('POST', `/keys/${id}/rotate`, { token, json: {} })).json()['code'], 'key_rotated')
  t.match((await api.ask('POST', `/keys/${id}/revoke`, { token })).json(), { state: 'revoked' })
  t.equal(
    (await api.ask('PATCH', `/keys/${id}`, { token, json: { name: 'x' } })).json()['code'],
    'key_revoked',
  )
  t.match((await api.ask('GET', '/keys?inactive=true', { token })).json(), { items: [{}, { id }] })
})

t.test('what cannot be minted is said field by field', async (t) => {
  const refused = await mint({ tenant: 'ACME', scopes: ['npm'], allowNetworks: ['10.1'], expires: 'soon' })
  t.match(refused.json(), {
    errors: [{ field: 'tenant' }, { field: 'scopes.0' }, { field: 'allowNetworks.0' }, { field: 'expires' }],
  })
  t.match((await mint({ tenant: 'acme', scopes: ['*:*'], expires: '2020-01-01T00:00:00Z' })).json(), {
    errors: [{ field: 'expires', detail: 'must be in the future' }],
  })
  t.equal((await mint({ tenant: 'nobody', scopes: ['*:*'] })).json()['code'], 'tenant_not_found')
})

t.test('receipts tell which processes serve by the last change', async (t) => {
  const { id } = (await mint({ tenant: 'acme', scopes: ['*:*'] })).json() as { id: string }
  await confirmFollower(
    sql,
    { instance: randomUUID(), host: 'h', processId: 7, machine: 'm', maxAgeMs: 60_000 },
    null,
  )
  const receipts = await api.ask('GET', `/keys/${id}/receipts`, { token })
  t.match(receipts.json(), { items: [{ host: 'h', processId: 7, isConfirmed: false }] })
})

t.test('a token of a tenant looks after its own keys and sees no other', async (t) => {
  const own = await api.tokenFor('tenant', 'acme')
  const { id } = (await mint({ tenant: 'acme', scopes: ['*:*'] }, own)).json() as { id: string }
  const other = (await mint({ tenant: 'globex', scopes: ['*:*'] })).json() as { id: string }
  t.equal((await mint({ tenant: 'globex', scopes: ['*:*'] }, own)).json()['code'], 'other_tenant')
  const items = (await api.ask('GET', '/keys', { token: own })).json()['items'] as { tenant: string }[]
  t.ok(items.length > 0 && items.every(({ tenant }) => tenant === 'acme'))
  t.equal((await api.ask('GET', '/keys?tenant=globex', { token: own })).status, 403)
  t.equal((await api.ask('POST', `/keys/${other.id}/revoke`, { token: own })).status, 404)
  t.match((await api.ask('POST', `/keys/${id}/revoke`, { token: own })).json(), { state: 'revoked' })
})
