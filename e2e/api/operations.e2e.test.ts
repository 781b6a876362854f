import t, { type Test } from 'tap'
import { testDatabase, type TestDatabase } from '../harness/database.ts'
import { startGateway, type TestGateway } from '../harness/gateway.ts'
import { until, untilTrue } from '../harness/wait.ts'
import { apiClient, must, type ApiClient } from './client.ts'

const TOKEN = 'the-token-of-the-configuration'
const HOOK_SECRET = 'the-secret-of-the-hook'
const ID = { params: { path: { slug: 'acme' } } }

interface Scene {
  readonly db: TestDatabase
  readonly gateway: TestGateway
  readonly client: ApiClient
}

async function scene(t: Test): Promise<Scene> {
  const db = await testDatabase(t)
  const gateway = await startGateway(t, {
    databaseUrl: db.url,
    config: {
      admin: {
        host: '127.0.0.1',
        port: 0,
        token: TOKEN,
        publicUrl: 'http://127.0.0.1:8090',
        // Nobody answers there: a browser is sent back.
        oidc: {
          issuer: 'http://127.0.0.1:9',
          clientId: 'waybill',
          clientSecret: 'x',
          roles: { staff: 'viewer' },
        },
      },
      accessLog: { flushIntervalMs: 50 },
      events: [{ url: 'http://127.0.0.1:9/hook', secret: `whsec_${Buffer.alloc(32, 7).toString('base64')}` }],
      routes: [
        { name: 'open', kind: 'generic', path: '/open/', upstream: 'http://127.0.0.1:9', auth: 'public' },
        {
          name: 'hook',
          kind: 'integration',
          path: '/hook/',
          upstream: 'http://127.0.0.1:9',
          auth: 'signature',
          tenant: 'hooked',
          signature: { scheme: 'gitlab', secrets: [HOOK_SECRET] },
          mode: 'accept',
          deliver: { retries: { max: 0, minMs: 10, maxMs: 10 } },
        },
      ],
    },
  })
  return { db, gateway, client: apiClient(gateway.adminUrl, TOKEN) }
}

async function ofTenantsAndKeys({ client: { api } }: Scene): Promise<void> {
  await must(api.PUT('/api/v1/tenants/{slug}', { ...ID, body: {} }))
  await must(api.PATCH('/api/v1/tenants/{slug}', { ...ID, body: { maxConcurrency: 7 } }))
  await must(api.GET('/api/v1/tenants/{slug}', ID))
  await must(api.GET('/api/v1/tenants/{slug}/receipts', ID))
  await must(api.POST('/api/v1/tenants/{slug}/suspend', ID))
  await must(api.POST('/api/v1/tenants/{slug}/resume', ID))
  await must(api.GET('/api/v1/tenants'))
  const body = { tenant: 'acme', scopes: ['*:*'] }
  const { id } = await must(api.POST('/api/v1/keys', { body: body as never }))
  const key = { params: { path: { id } } }
  await must(api.PATCH('/api/v1/keys/{id}', { ...key, body: { name: 'ci' } }))
  await must(api.GET('/api/v1/keys/{id}', key))
  await must(api.GET('/api/v1/keys/{id}/receipts', key))
  await must(api.POST('/api/v1/keys/{id}/rotate', { ...key, body: { overlap: '1h' } }))
  await must(api.POST('/api/v1/keys/{id}/revoke', key))
  const { items } = await must(api.GET('/api/v1/keys', { params: { query: { inactive: 'true' } } }))
  t.equal(items.length, 2)
  await must(api.GET('/api/v1/signing-keys'))
  await must(api.POST('/api/v1/signing-keys/rotate', { body: { now: false } }))
  await must(api.DELETE('/api/v1/tenants/{slug}', ID))
}

async function ofRules({ client: { api } }: Scene): Promise<void> {
  const body = { package: 'pkg:npm/left-pad@1.3.0', reason: 'It steals tokens' }
  const { id } = await must(api.POST('/api/v1/rules', { body }))
  const rule = { params: { path: { id } } }
  await must(api.GET('/api/v1/rules/{id}', rule))
  const query = { package: body.package }
  const tested = await must(api.GET('/api/v1/rules/test', { params: { query } }))
  t.match(tested, { decides: { id, action: 'deny' } })
  await must(api.POST('/api/v1/rules/{id}/disable', rule))
  await must(api.POST('/api/v1/rules/{id}/enable', rule))
  await must(api.DELETE('/api/v1/rules/{id}', rule))
  t.same((await must(api.GET('/api/v1/rules'))).items, [])
}

async function ofPeople({ client: { api } }: Scene): Promise<void> {
  const made = await must(
    api.POST('/api/v1/tokens', { body: { name: 'ann', role: 'viewer', tenant: null, expires: '1h' } }),
  )
  await must(api.POST('/api/v1/session', { body: { token: made.token } }))
  const sessions = await must(api.GET('/api/v1/sessions'))
  await must(api.DELETE('/api/v1/sessions/{id}', { params: { path: { id: sessions.items[0]?.id ?? '' } } }))
  await must(api.GET('/api/v1/tokens'))
  await must(api.DELETE('/api/v1/tokens/{id}', { params: { path: { id: made.id } } }))
  await must(api.GET('/api/v1/session'))
  await must(api.DELETE('/api/v1/session'))
  await must(api.GET('/api/v1/session/methods'))
  await must(api.GET('/api/v1/session/oidc'))
  await must(api.GET('/api/v1/session/oidc/callback'))
  await must(api.GET('/api/v1/admin-log'))
}

async function ofTheLog({ client: { api }, gateway, db }: Scene): Promise<void> {
  await (await fetch(`${gateway.proxyUrl}/open/x`, { headers: { connection: 'close' } })).arrayBuffer()
  const entry = await until('the entry is there', async () => {
    const { items } = await must(api.GET('/api/v1/entries'))
    return items[0]
  })
  const path = { requestId: String(entry['request_id']) }
  const found = await must(api.GET('/api/v1/entries/{requestId}', { params: { path } }))
  t.equal(found.items.length, 1)
  await must(api.GET('/api/v1/entries/facets'))
  await must(api.GET('/api/v1/entries/histogram'))
  t.match(await must(api.GET('/api/v1/entries/export', { parseAs: 'text' })), '"route":"open"')
  const stream = await must(api.GET('/api/v1/entries/stream', { parseAs: 'stream' }))
  await (stream as ReadableStream | null)?.cancel()
  await db.query(
    `INSERT INTO quarantine (instance, seq, tenant, code, row)
     SELECT gen_random_uuid(), n, 'acme', '22P02', 'no row' FROM generate_series(1, 2) n`,
  )
  const rows = await must(api.GET('/api/v1/quarantine'))
  const [first = 0, second = 0] = rows.items.map(({ id }) => id)
  await must(api.GET('/api/v1/quarantine/{id}', { params: { path: { id: first } } }))
  await must(api.DELETE('/api/v1/quarantine/{id}', { params: { path: { id: first } } }))
  t.equal(
    (await must(api.POST('/api/v1/quarantine/{id}/retry', { params: { path: { id: second } } }))).state,
    'refused',
  )
  await must(api.GET('/api/v1/quarantine/set-aside'))
  await must(api.PUT('/api/v1/retention', { body: { days: 40 } }))
  t.equal((await must(api.GET('/api/v1/retention'))).days, 40)
}

async function ofDeliveries({ client: { api }, gateway }: Scene): Promise<void> {
  await must(api.PUT('/api/v1/tenants/{slug}', { params: { path: { slug: 'hooked' } }, body: {} }))
  const send = async (): Promise<number> => {
    const headers = { 'x-gitlab-token': HOOK_SECRET, connection: 'close' }
    const answer = await fetch(`${gateway.proxyUrl}/hook/`, { method: 'POST', body: 'x', headers })
    await answer.arrayBuffer()
    return answer.status
  }
  await untilTrue('the gateway knows the tenant', async () => (await send()) === 202)
  t.equal(await send(), 202)
  // Nobody takes them.
  const [first = '', second = ''] = await until('both are dead', async () => {
    const { items } = await must(api.GET('/api/v1/deliveries', { params: { query: { state: 'dead' } } }))
    return items.length === 2 ? items.map(({ id }) => id) : undefined
  })
  const one = (id: string) => ({ params: { path: { id } } })
  const again = await must(api.POST('/api/v1/deliveries/{id}/redeliver', one(first)))
  t.equal(again.redeliveryOf, first)
  await must(api.DELETE('/api/v1/deliveries/{id}', one(second)))
  t.equal((await must(api.GET('/api/v1/deliveries/{id}', one(second)))).state, 'dropped')
  const search = { route: 'hook', limit: 1000 }
  t.equal(
    (await must(api.POST('/api/v1/deliveries/redeliver', { body: { ...search, state: 'dropped' } }))).n,
    1,
  )
  await must(api.POST('/api/v1/deliveries/drop', { body: { ...search, state: 'waiting' } }))
  await must(api.GET('/api/v1/deliveries/account', { params: { query: { since: '1h' } } }))
}

async function ofReports({ client: { api } }: Scene): Promise<void> {
  await must(api.GET('/api/v1/who', { params: { query: { package: 'left-pad' } } }))
  await must(api.GET('/api/v1/usage'))
  await must(api.GET('/api/v1/audit'))
  t.equal((await must(api.GET('/api/v1/completeness'))).hours.at(-1)?.state, 'so_far')
  await must(api.GET('/api/v1/figures/series'))
  await must(api.GET('/api/v1/figures/groups', { params: { query: { by: 'tenant' } } }))
  await must(api.GET('/api/v1/figures/packages'))
  await must(api.GET('/api/v1/names'))
  await must(api.GET('/api/v1/names/{slug}', { params: { path: { slug: 'acmee' } } }))
}

async function ofTheGateway({ client: { api } }: Scene): Promise<void> {
  await must(api.GET('/api/v1/overview'))
  await must(api.GET('/api/v1/meta'))
  await must(api.GET('/api/v1/clock'))
  t.match(await must(api.GET('/api/v1/routes')), { items: [{ name: 'open' }, { name: 'hook' }] })
  await must(api.GET('/api/v1/configuration'))
  await must(api.GET('/api/v1/upstreams'))
  t.equal((await must(api.GET('/api/v1/gateways'))).items.length, 1)
  await must(api.GET('/api/v1/events'))
  t.match(await must(api.GET('/api/v1/events/receivers')), { items: [{ name: 'http://127.0.0.1:9' }] })
}

t.test('every operation of the document is answered, by a client that the document types', async (t) => {
  const staged = await scene(t)
  for (const part of [ofTenantsAndKeys, ofRules, ofTheLog, ofDeliveries, ofReports, ofTheGateway, ofPeople])
    await part(staged)
  const { gateway, client } = staged
  const response = await fetch(`${gateway.adminUrl}/api/v1/openapi.json`, {
    headers: { authorization: `Bearer ${TOKEN}`, connection: 'close' },
  })
  const { paths } = (await response.json()) as { paths: Record<string, Record<string, unknown>> }
  const documented = Object.entries(paths).flatMap(([path, item]) =>
    Object.keys(item).map((method) => `${method.toUpperCase()} ${path}`),
  )
  t.same([...client.answered].toSorted(), documented.toSorted())
})
