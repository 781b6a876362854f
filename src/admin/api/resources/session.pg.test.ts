import t from 'tap'
import { closeSql, openReader } from '../../../store/sql.ts'
import { createTenant, setTenantState } from '../../../store/directory/tenants.ts'
import { CONFIGURED_TOKEN, testApi } from '../../../test/api/api.ts'
import { testDatabase } from '../../../test/database.ts'
import type { Reply } from '../../../test/admin.ts'

const database = await testDatabase(t)
const { sql } = database
const api = await testApi(t, database)
await createTenant(sql, 'acme', {})

const cookieOf = ({ headers }: Reply): string => headers['set-cookie']?.[0]?.split(';')[0] ?? ''
const signIn = (token: string, headers = {}) => api.ask('POST', '/session', { json: { token }, headers })
const whoAmI = (cookie: string, headers = {}) =>
  api.ask('GET', '/session', { headers: { cookie, ...headers } })

t.test('one signs in with a token, is who it says, and signs out', async (t) => {
  const token = await api.tokenFor('operator')
  const reply = await signIn(token)
  t.equal(reply.status, 200)
  t.match(reply.headers['set-cookie']?.[0], /^waybill_session=[\w-]{43}; .*HttpOnly.*SameSite=Strict/)
  t.match((await whoAmI(cookieOf(reply))).json(), { principal: { role: 'operator', kind: 'token' } })
  const headers = { cookie: cookieOf(reply) }
  t.equal((await api.ask('DELETE', '/session', { headers })).status, 204)
  t.equal((await whoAmI(cookieOf(reply))).json()['code'], 'session_ended')
})

t.test(
  'a session ends when its token is revoked, its tenant deleted, or the configured token changed',
  async (t) => {
    const admin = CONFIGURED_TOKEN
    const created = await api.ask('POST', '/tokens', { token: admin, json: { name: 'ann', role: 'viewer' } })
    const { token, id } = created.json() as { token: string; id: string }
    const session = cookieOf(await signIn(token))
    t.equal((await whoAmI(session)).status, 200)
    t.match((await api.ask('DELETE', `/tokens/${id}`, { token: admin })).json(), { state: 'revoked' })
    t.equal((await whoAmI(session)).status, 401)
    t.equal((await api.ask('GET', '/meta', { token })).json()['code'], 'token_invalid')
    const ofTenant = cookieOf(await signIn(await api.tokenFor('tenant', 'acme')))
    t.equal((await whoAmI(ofTenant)).status, 200)
    await setTenantState(sql, 'acme', 'deleted')
    t.equal((await whoAmI(ofTenant)).status, 401)
    const configured = cookieOf(await signIn(admin))
    t.match((await whoAmI(configured)).json(), { principal: { role: 'admin', kind: 'configured' } })
    const changed = await testApi(t, database, { token: 'another-configured-token' })
    t.equal((await changed.ask('GET', '/session', { headers: { cookie: configured } })).status, 401)
  },
)

t.test('a page of another origin cannot use a session', async (t) => {
  const cookie = cookieOf(await signIn(CONFIGURED_TOKEN))
  const put = (headers: object) => api.ask('PUT', '/tenants/x', { json: {}, headers: { cookie, ...headers } })
  t.equal((await put({ origin: 'https://evil.example' })).json()['code'], 'foreign_page')
  t.equal((await put({ 'sec-fetch-site': 'cross-site' })).status, 403)
  t.equal((await put({ 'sec-fetch-site': 'same-site' })).status, 403)
  t.equal((await put({ 'sec-fetch-site': 'same-origin' })).status, 201)
  t.equal((await signIn(CONFIGURED_TOKEN, { origin: 'https://evil.example' })).status, 403)
})

t.test('without a token one may look on loopback, and no page of another name', async (t) => {
  const open = await testApi(t, database, { token: '' })
  t.match((await open.ask('GET', '/session')).json(), { principal: { role: 'viewer', kind: 'anonymous' } })
  t.equal((await open.ask('GET', '/tenants')).status, 200)
  const refused = await open.ask('PUT', '/tenants/y', { json: {} })
  t.match(refused.json(), { code: 'role_required', detail: /waybill tokens create/ })
  t.equal((await open.ask('GET', '/tenants', { headers: { host: 'evil.example' } })).status, 403)
  t.equal(
    (await open.ask('PUT', '/tenants/y', { json: {}, token: await open.tokenFor('admin') })).status,
    201,
  )
})

t.test('after 20 wrong tokens none is looked at for a while', async (t) => {
  const strict = await testApi(t, database)
  const right = await strict.tokenFor('viewer')
  for (let n = 0; n < 20; n++) t.equal((await strict.ask('GET', '/meta', { token: 'wrong' })).status, 401)
  const refused = await strict.ask('POST', '/session', { json: { token: right } })
  t.equal(refused.status, 429)
  t.match(refused.headers['retry-after'], /^\d+$/)
})

t.test(
  'a database that takes no changes still tells whose token it is, and says why it opens no session',
  async (t) => {
    const token = await api.tokenFor('viewer')
    const standby = openReader(database.target, { statementTimeoutMs: 5000 })
    t.teardown(() => closeSql(standby, 1000))
    const reading = await testApi(t, { ...database, sql: standby })
    t.match((await reading.ask('GET', '/session', { token })).json(), { principal: { role: 'viewer' } })
    const refused = await reading.ask('POST', '/session', { json: { token } })
    t.match(refused.json(), { status: 503, title: 'The database takes no changes' })
  },
)

t.test('sessions that hold are listed without what opens them, and an admin ends one', async (t) => {
  const fresh = await testDatabase(t)
  const other = await testApi(t, fresh)
  const open = async (token: string): Promise<string> =>
    cookieOf(await other.ask('POST', '/session', { json: { token } }))
  const admin = await other.tokenFor('admin')
  const ann = await other.mint('viewer')
  const cookies = [await open(ann.text), await open(ann.text), await open(CONFIGURED_TOKEN)]
  await fresh.sql`
    INSERT INTO admin_sessions (digest, issuer, subject, name, claimed, expires_at)
    VALUES (${'5'.repeat(64)}, 'https://id.example.test', 'u-17', 'Bob', '{readers}', now() + interval '1 hour'),
      (${'6'.repeat(64)}, 'https://id.example.test', 'u-17', 'Bob', '{readers}', now() - interval '1 hour')`
  const list = async (query = '') => await other.ask('GET', `/sessions${query}`, { token: admin })
  const reply = await list()
  const items = reply.json()['items'] as { id: string; kind: string; tokenId: string | null }[]
  t.same(items.map(({ kind }) => kind).toSorted(), ['configured', 'oidc', 'token', 'token'])
  for (const secret of [...cookies.map((one) => one.split('=')[1] ?? ''), '5'.repeat(64)])
    t.notMatch(reply.text, secret)
  t.match((await list('?subject=u-17')).json()['items'], [{ name: 'Bob', subject: 'u-17', tokenId: null }])
  const page = (await list('?limit=3')).json() as { items: object[]; next: string }
  t.equal(page.items.length, 3)
  t.equal(((await list(`?cursor=${page.next}`)).json()['items'] as object[]).length, 1)
  const hold = async (cookie: string): Promise<boolean> =>
    (await other.ask('GET', '/session', { headers: { cookie } })).status === 200
  const id = items.find(({ tokenId }) => tokenId === ann.id)?.id ?? ''
  for (let n = 0; n < 2; n++)
    t.equal((await other.ask('DELETE', `/sessions/${id}`, { token: admin })).status, 200)
  const [first = '', second = '', configured = ''] = cookies
  t.not(await hold(first), await hold(second), 'one of the two has ended')
  t.equal(await hold(configured), true)
  t.equal(((await list()).json()['items'] as object[]).length, 3)
  t.equal(
    (await other.ask('DELETE', '/sessions/0a1b2c3d4e5f', { token: admin })).json()['code'],
    'session_not_found',
  )
  const log = (await other.ask('GET', '/admin-log?subject=session', { token: admin })).json()['items']
  t.match(log, [{ action: 'session.changed', subject: `session:${id}`, via: 'api' }])
  t.equal((log as object[]).length, 1, 'who signs in is not in it, nor what has ended')
})

t.test('sessions of a token whose tenant was deleted, or that is not in force, are not listed', async (t) => {
  const fresh = await testDatabase(t)
  const other = await testApi(t, fresh)
  await createTenant(fresh.sql, 'acme', {})
  const admin = await other.tokenFor('admin')
  const tokens = [await other.mint('tenant', 'acme'), await other.mint('viewer'), await other.mint('viewer')]
  for (const { text } of tokens) await other.ask('POST', '/session', { json: { token: text } })
  const listed = async (): Promise<unknown[]> => {
    const { items } = (await other.ask('GET', '/sessions', { token: admin })).json() as {
      items: { tokenId: string }[]
    }
    return items.map(({ tokenId }) => tokenId).toSorted()
  }
  const [ofTenant = '', revoked = '', kept = ''] = tokens.map(({ id }) => id)
  t.same(await listed(), [ofTenant, revoked, kept].toSorted())
  await setTenantState(fresh.sql, 'acme', 'deleted')
  t.same(await listed(), [revoked, kept].toSorted())
  await other.ask('DELETE', `/tokens/${revoked}`, { token: admin })
  t.same(await listed(), [kept])
})
