import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { Validator } from '@seriousme/openapi-schema-validator'
import t from 'tap'
import { createTenant } from '../../store/directory/tenants.ts'
import { queriesOf } from '../queries.ts'
import { CONFIGURED_TOKEN, testApi } from '../../test/api/api.ts'
import { closeSql, openControl } from '../../store/sql.ts'
import { testDatabase } from '../../test/database.ts'
import { operationsOf } from '../../test/api/openapi.ts'

/** What operations need that take a body. */
const BODIES: Readonly<Record<string, object>> = {
  signIn: { token: CONFIGURED_TOKEN },
  putTenant: {},
  changeTenant: {},
  mintKey: { tenant: 'acme', scopes: ['*:*'] },
  rotateKey: {},
  changeKey: {},
  createToken: { name: 'ann', role: 'viewer' },
  setRetention: { days: 30 },
  rotateSigningKeys: {},
  redeliverSearch: { tenant: 'acme' },
  dropSearch: { tenant: 'acme', state: 'dead' },
  createRule: { package: 'pkg:npm/left-pad@1.3.0', reason: 'x' },
}

const QUERIES: Readonly<Record<string, string>> = {
  who: '?package=left-pad',
  groupUsage: '?by=tenant',
  testRules: '?package=pkg:npm/left-pad@1.3.0',
}

/** Ids by the list that they are of; of keys and tokens elsewhere. */
const IDS: Readonly<Record<string, string>> = {
  quarantine: '1',
  deliveries: '01a1fdfa-4600-7000-8000-041d2e3f4a5b',
  rules: 'r0123456789abcdef',
}

const never = (): Promise<never> => new Promise(() => {})

const database = await testDatabase(t)
const api = await testApi(t, database)
for (const slug of ['acme', 'globex']) await createTenant(database.sql, slug, {})

t.test('the document is valid, and each operation has a name and a least role', async (t) => {
  const reply = await api.ask('GET', '/openapi.json', { token: CONFIGURED_TOKEN })
  const { valid, errors } = await new Validator().validate(reply.json())
  t.ok(valid, JSON.stringify(errors))
  t.equal(reply.json()['openapi'], '3.1.0')
  const operations = operationsOf(api.document)
  t.equal(new Set(operations.map(({ operationId }) => operationId)).size, operations.length)
  const withoutRole = operations.filter(({ role }) => role === null).map(({ operationId }) => operationId)
  const open = ['getSession', 'signIn', 'signOut', 'listSignInMethods', 'beginSignIn', 'endSignIn']
  t.same(withoutRole, open)
})

t.test('a frozen database holds up no operation for longer than the listener waits', async (t) => {
  const frozen = createServer(() => {}).listen(0, '127.0.0.1')
  await once(frozen, 'listening')
  const target = { ...database.target, host: '127.0.0.1', port: (frozen.address() as AddressInfo).port }
  const handle = openControl(target)
  t.teardown(async () => {
    await closeSql(handle, 0)
    frozen.close()
  })
  const served = {
    queries: queriesOf(handle),
    overview: never,
    readiness: () => ({ ready: true, reasons: [] }),
  }
  const waiting = await testApi(t, database, { control: handle, reader: handle, served, queryTimeoutMs: 20 })
  const ofMemory = new Set([
    'getSession',
    'signOut',
    'listSignInMethods',
    'getMeta',
    'listRoutes',
    'getConfiguration',
  ])
  for (const { method, path, operationId } of operationsOf(waiting.document)) {
    const at = path.replace('/api/v1', '').replace('{slug}', 'acme').replace('{requestId}', 'r1')
    const query = QUERIES[operationId] ?? ''
    const id = IDS[path.split('/')[3] ?? ''] ?? '0a1b2c3d4e5f'
    const reply = await waiting.ask(method, at.replace('{id}', id) + query, {
      token: CONFIGURED_TOKEN,
      ...(BODIES[operationId] === undefined ? {} : { json: BODIES[operationId] }),
    })
    // There is no issuer.
    if (path.startsWith('/api/v1/session/oidc')) t.equal(reply.status, 404)
    else if (ofMemory.has(operationId)) t.ok(reply.status < 300, operationId)
    else t.match(reply.json(), { status: 503, title: 'The query took too long' }, operationId)
  }
})

t.test('an unknown path, method or field is refused by name', async (t) => {
  const token = CONFIGURED_TOKEN
  t.equal((await api.ask('GET', '/nothing', { token })).status, 404)
  t.equal((await api.ask('PUT', '/keys', { token, json: {} })).status, 404)
  const reply = await api.ask('PATCH', '/tenants/acme', {
    token,
    json: { rateLimit: { perSecond: -1 }, color: 'red' },
  })
  t.equal(reply.status, 400)
  t.match(reply.json(), {
    code: 'invalid',
    errors: [
      { field: 'rateLimit.perSecond' },
      { field: 'rateLimit.burst' },
      { field: 'color', detail: 'there is no such field' },
    ],
  })
  const query = await api.ask('GET', '/tenants?limit=0&color=red', { token })
  t.match(query.json(), { errors: [{ field: 'limit' }, { field: 'color' }] })
  const notJson = await api.ask('PATCH', '/tenants/acme', {
    token,
    headers: { 'content-type': 'application/json' },
    body: Buffer.from('{"rateLimit":'),
  })
  t.equal(notJson.status, 400)
  const large = await api.ask('PATCH', '/tenants/acme', { token, json: { color: 'x'.repeat(300_000) } })
  t.equal(large.status, 413)
})
