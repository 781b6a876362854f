import { randomUUID } from 'node:crypto'
import t from 'tap'
import { confirmFollower } from '../../../store/directory/followers.ts'
import { createTenant } from '../../../store/directory/tenants.ts'
import { testApi } from '../../../test/api/api.ts'
import { testDatabase } from '../../../test/database.ts'

const database = await testDatabase(t)
const { sql } = database
const api = await testApi(t, database, {
  configuration: () => ({
    options: [{ name: 'admin.port', value: 8090, source: 'default', actsOn: 'restart', help: 'Port' }],
    routes: [{ name: 'npm', kind: 'npm', path: '/npm/', host: null, auth: 'key' }],
  }),
})
const token = await api.tokenFor('operator')
for (const slug of ['acme', 'globex']) await createTenant(sql, slug, {})

t.test('routes, options and gateways are as they are', async (t) => {
  t.match((await api.ask('GET', '/routes', { token })).json(), { items: [{ name: 'npm' }] })
  t.match((await api.ask('GET', '/configuration', { token })).json(), {
    items: [{ name: 'admin.port', value: 8090 }],
  })
  const instance = randomUUID()
  await sql`
    INSERT INTO instances (id, host, version, started_at, last_seen_at, capacity_entries)
    VALUES (${instance}, 'h', '1.2.3', now(), now(), 10)`
  await confirmFollower(sql, { instance, host: 'h', processId: 7, machine: 'm', maxAgeMs: 60_000 }, null)
  const { items } = (await api.ask('GET', '/gateways', { token })).json() as { items: object[] }
  t.match(items, [{ instance, host: 'h', processId: 7, version: '1.2.3', endedAt: null }])
})

t.test('a change is in the admin log as the one who asked for it', async (t) => {
  await api.ask('PATCH', '/tenants/acme', { token, json: { maxConcurrency: 7 } })
  const { items } = (await api.ask('GET', '/admin-log?subject=tenant:acme&limit=1', { token })).json() as {
    items: object[]
  }
  t.match(items, [
    {
      actor: /^a operator \(token [0-9a-z]{12}\)$/,
      via: 'api',
      from: '127.0.0.1',
      after: { max_concurrency: 7 },
    },
  ])
  const own = await api.tokenFor('tenant', 'globex')
  const seen = (await api.ask('GET', '/admin-log', { token: own })).json()['items'] as { tenant: string }[]
  t.ok(seen.length > 0 && seen.every(({ tenant }) => tenant === 'globex'))
  t.equal((await api.ask('GET', '/admin-log?tenant=acme', { token: own })).status, 403)
})

t.test('changes come in pages', async (t) => {
  const first = (await api.ask('GET', '/admin-log?limit=2', { token })).json() as {
    items: { seq: number }[]
    next: string
  }
  const second = (await api.ask('GET', `/admin-log?limit=2&cursor=${first.next}`, { token })).json() as {
    items: { seq: number }[]
  }
  t.equal(second.items[0]?.seq, (first.items[1]?.seq ?? 0) - 1)
})

t.test('reports answer, of a tenant its own; what is asked wrongly is said by name', async (t) => {
  const own = await api.tokenFor('tenant', 'acme')
  for (const path of ['/usage', '/audit', '/who?package=left-pad']) {
    t.equal((await api.ask('GET', path, { token })).status, 200, path)
    t.equal((await api.ask('GET', path, { token: own })).status, 200, `${path} of a tenant`)
    const other = `${path}${path.includes('?') ? '&' : '?'}tenant=globex`
    t.equal((await api.ask('GET', other, { token: own })).status, 403, `${path} of another`)
  }
  t.match((await api.ask('GET', '/usage?since=soon', { token })).json(), {
    code: 'invalid',
    errors: [{ field: 'since' }],
  })
})

t.test('an entry in quarantine is dropped once', async (t) => {
  const admin = await api.tokenFor('admin')
  const [row] = await sql<{ id: number }[]>`
    INSERT INTO quarantine (instance, seq, tenant, code, detail, row)
    VALUES (${randomUUID()}, 1, 'acme', '22021', 'no', 'x'::bytea) RETURNING id`
  const path = `/quarantine/${row?.id}`
  t.match((await api.ask('GET', '/quarantine', { token })).json(), {
    items: [{ code: '22021', resolution: null }],
  })
  t.match((await api.ask('POST', `${path}/retry`, { token })).json(), { state: 'refused' })
  t.equal((await api.ask('DELETE', path, { token })).status, 403)
  t.match((await api.ask('DELETE', path, { token: admin })).json(), { state: 'dropped' })
  t.match((await api.ask('DELETE', path, { token: admin })).json(), { state: 'already_resolved' })
  t.equal((await api.ask('DELETE', '/quarantine/999999', { token: admin })).status, 404)
})
