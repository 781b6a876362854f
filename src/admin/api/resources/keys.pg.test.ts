import { createHash, randomUUID } from 'node:crypto'
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

t.test('receipts of what is not there are not found', async (t) => {
  for (const [path, code] of [
    ['/tenants/nobody/receipts', 'tenant_not_found'],
    ['/keys/000000000000/receipts', 'key_not_found'],
  ] as const) {
    const answer = await api.ask('GET', path, { token })
    t.match([answer.status, answer.json()], [404, { code }])
  }
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

t.test('a creation with an Idempotency-Key is made once, and its answer is told again', async (t) => {
  const once: string = randomUUID()
  const body = { tenant: 'acme', scopes: ['npm:read'], name: 'once' }
  const ask = (json: object, as = token, key = once) =>
    api.ask('POST', '/keys', { token: as, json, headers: { 'idempotency-key': key } })
  const first = await ask(body)
  t.equal(first.status, 201)
  t.equal(first.headers['idempotent-replayed'], undefined)
  const again = await ask(body)
  t.equal(again.status, 201)
  t.equal(again.headers['idempotent-replayed'], 'true')
  t.equal(again.headers['etag'], first.headers['etag'])
  t.same(again.json(), first.json(), 'the secret too')
  const { key } = first.json() as { key: string }
  const rows = await sql`SELECT encode(sealed, 'escape') AS text, a::text AS whole FROM admin_answers a`
  t.notMatch(JSON.stringify(rows), key.slice(16), 'and it is stored nowhere in clear')
  t.notMatch(JSON.stringify(rows), once)
  const other = await ask({ ...body, name: 'other' })
  t.match([other.status, other.json()], [422, { code: 'idempotency_mismatch' }])
  const another = await ask(body, await api.tokenFor('operator'))
  t.not((another.json() as { key: string }).key, key, 'the same key of another principal is another')
  const short = await ask(body, token, 'short')
  t.match([short.status, short.json()], [400, { errors: [{ field: 'idempotency-key' }] }])
  await sql`UPDATE admin_answers SET created_at = created_at - interval '25 hours'`
  t.not(((await ask(body)).json() as { key: string }).key, key, 'after a day it is a new one')
  t.same(await sql`SELECT count(*)::int AS n FROM admin_answers`, [{ n: 1 }], 'and what is over is deleted')
})

t.test('twenty at once with one Idempotency-Key make one key; a failed one leaves it free', async (t) => {
  const headers = { 'idempotency-key': randomUUID() }
  const body = { tenant: 'unmade', scopes: ['npm:read'], name: 'at once' }
  const ask = () => api.ask('POST', '/keys', { token, json: body, headers })
  t.equal((await ask()).status, 404)
  await createTenant(sql, 'unmade', {})
  const answers = await Promise.all(Array.from({ length: 20 }, ask))
  const made = new Set<unknown>()
  for (const answer of answers) {
    if (answer.status === 201) made.add(answer.json()['key'])
    else t.match([answer.status, answer.json()], [409, { code: 'idempotency_under_way' }])
  }
  t.equal(made.size, 1)
  t.same(await sql`SELECT count(*)::int AS n FROM api_keys WHERE tenant = 'unmade'`, [{ n: 1 }])
})

t.test('a creation is told again after its end', async (t) => {
  const admin = await api.tokenFor('admin')
  for (const [path, fields] of [
    ['/keys', { tenant: 'acme', scopes: ['npm:read'] }],
    ['/tokens', { name: 'short-lived', role: 'viewer' }],
  ] as const) {
    const headers = { 'idempotency-key': randomUUID() }
    const ask = (expires: string) =>
      api.ask('POST', path, { token: admin, json: { ...fields, expires }, headers })
    const first = await ask('2990-01-01T00:00:00Z')
    t.equal(first.status, 201)
    // As if it had been asked for then, and its time were over since.
    const over = '2020-01-01T00:00:00Z'
    const request = `POST /api/v1${path}\n${JSON.stringify({ ...fields, expires: over })}`
    const digest = createHash('sha256').update(request).digest()
    await sql`
      UPDATE admin_answers SET request_digest = ${digest}
      WHERE created_at = (SELECT max(created_at) FROM admin_answers)`
    const again = await ask(over)
    t.match([again.status, again.headers['idempotent-replayed']], [201, 'true'], path)
    t.same(again.json(), first.json())
  }
})

t.test('a rotation with an Idempotency-Key is one rotation', async (t) => {
  const { id } = (await mint({ tenant: 'acme', scopes: ['*:*'] })).json() as { id: string }
  const headers = { 'idempotency-key': randomUUID() }
  const rotate = () => api.ask('POST', `/keys/${id}/rotate`, { token, json: { overlap: '1h' }, headers })
  const first = await rotate()
  t.equal(first.status, 201)
  t.same((await rotate()).json(), first.json())
})
