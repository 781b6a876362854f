import t, { type Test } from 'tap'
import type { OidcSettings } from '../../../model/admin/oidc.ts'
import { createTenant, setTenantState } from '../../../store/directory/tenants.ts'
import type { Reply } from '../../../test/admin.ts'
import { CONFIGURED_TOKEN, testApi } from '../../../test/api/api.ts'
import { CLIENT, TestIssuer } from '../../../test/api/issuer.ts'
import { testDatabase } from '../../../test/database.ts'

const PUBLIC = 'http://127.0.0.1:8090'
const database = await testDatabase(t)
const { sql } = database
await createTenant(sql, 'acme', {})
await createTenant(sql, 'globex', {})

async function scene(t: Test, changes: Partial<OidcSettings> = {}) {
  const issuer = await TestIssuer.start(t)
  const settings: OidcSettings = {
    issuer: issuer.url,
    clientId: CLIENT.id,
    clientSecret: CLIENT.secret,
    scopes: 'openid email',
    publicUrl: PUBLIC,
    label: 'Example',
    rolesClaim: 'groups',
    roles: { platform: 'admin', readers: 'viewer', 'team-a': 'tenant:acme', 'team-z': 'tenant:no-such' },
    nameClaim: 'email',
    sessionMs: 3_600_000,
    ...changes,
  }
  const state: { settings: OidcSettings | null } = { settings }
  const api = await testApi(t, database, { oidc: () => state.settings })
  const cookiesOf = ({ headers }: Reply): Record<string, string> =>
    Object.fromEntries(
      (headers['set-cookie'] ?? []).map((line) => {
        const [name = '', value = ''] = (line.split(';')[0] ?? '').split('=', 2)
        return [name, line.includes('Max-Age=0') ? '' : value]
      }),
    )
  const header = (cookies: Record<string, string>): string =>
    Object.entries(cookies)
      .map(([name, value]) => `${name}=${value}`)
      .join('; ')
  const begin = async (returnTo = '/') => {
    const reply = await api.ask('GET', `/session/oidc?returnTo=${encodeURIComponent(returnTo)}`)
    return { location: String(reply.headers.location), cookies: cookiesOf(reply), reply }
  }
  const come = async (back: string, cookies: Record<string, string>) => {
    const cookie = header(cookies)
    const reply = await api.ask('GET', `/session/oidc/callback${new URL(back).search}`, {
      headers: { cookie },
    })
    return { location: String(reply.headers.location), cookies: cookiesOf(reply), reply }
  }
  const whoAmI = async (cookies: Record<string, string>) =>
    await api.ask('GET', '/session', { headers: { cookie: header(cookies) } })
  const signIn = async (returnTo = '/') => {
    const { location, cookies } = await begin(returnTo)
    return await come(await issuer.visit(location), cookies)
  }
  /** The sentence that the console shows. */
  const failure = async (ended: { cookies: Record<string, string> }): Promise<string> => {
    t.notOk(ended.cookies['waybill_session'], 'no session was opened')
    const told = await whoAmI(ended.cookies)
    t.match(told.json(), { status: 401, code: 'sign_in_failed' })
    t.equal(cookiesOf(told)['waybill_sign_in_problem'], '', 'it is told once')
    return String(told.json()['detail'])
  }
  return { issuer, api, state, settings, begin, come, signIn, whoAmI, failure, header }
}

t.test('a person signs in, comes back to the view, is who the issuer says, and signs out', async (t) => {
  const { signIn, whoAmI, api, header } = await scene(t)
  const { location, cookies, reply } = await signIn('/requests?status=5xx')
  t.equal(reply.status, 303)
  t.equal(location, `${PUBLIC}/requests?status=5xx`)
  t.match(
    reply.headers['set-cookie']?.find((line) => line.startsWith('waybill_session=')),
    /HttpOnly.*SameSite=Strict/,
  )
  const principal = { name: 'ann@example.com', role: 'admin', tenant: null, kind: 'oidc' }
  t.match((await whoAmI(cookies)).json(), { principal })
  const cookie = header(cookies)
  t.equal((await api.ask('PUT', '/tenants/by-ann', { json: {}, headers: { cookie } })).status, 201)
  const log = (await api.ask('GET', '/admin-log?subject=tenant:by-ann', { headers: { cookie } })).json()
  t.match(log['items'], [{ actor: 'ann@example.com (subject subject-1)', via: 'oidc', from: '127.0.0.1' }])
  t.equal((await api.ask('DELETE', '/session', { headers: { cookie } })).status, 204)
  t.equal((await whoAmI(cookies)).status, 401)
})

t.test('one may come back only to a view of the console', async (t) => {
  const { signIn } = await scene(t)
  const tried = [
    'https://evil.example/',
    '//evil.example',
    '/\\evil.example',
    '/api/v1/session/oidc',
    'javascript:alert(1)',
    '/../..//evil.example',
    '/requests\r\nx: y',
  ]
  for (const returnTo of tried) t.equal((await signIn(returnTo)).location, `${PUBLIC}/`, returnTo)
})

t.test('a browser that did not begin, or brings another state, is refused', async (t) => {
  const { begin, come, issuer, failure } = await scene(t)
  const mine = await begin()
  const other = await begin()
  const back = await issuer.visit(mine.location)
  t.match(await failure(await come(back, {})), /was not begun here/)
  t.match(await failure(await come(back, other.cookies)), /does not count: .*state/)
  const [name = '', value = ''] = Object.entries(mine.cookies)[0] ?? []
  const forged = `${value.slice(0, 20)}x${value.slice(21)}`
  t.match(await failure(await come(back, { [name]: forged })), /was not begun here/)
  t.notOk(issuer.asked['/token'], 'the issuer was not asked for a token')
})

t.test('a code is good once, and takes the verifier', async (t) => {
  const { begin, come, issuer, failure } = await scene(t)
  const one = await begin()
  const back = await issuer.visit(one.location)
  t.ok((await come(back, one.cookies)).cookies['waybill_session'])
  t.match(await failure(await come(back, one.cookies)), /invalid_grant/)
})

const NOW = Math.floor(Date.now() / 1000)
const HOUR = 3600
const BAD_TOKENS = {
  'another nonce': [{ claims: { nonce: 'another' } }, /nonce/],
  'no nonce': [{ claims: { nonce: undefined } }, /nonce/],
  'an end in the past': [{ claims: { exp: NOW - HOUR, iat: NOW - 2 * HOUR } }, /exp/],
  'another issuer': [{ claims: { iss: 'https://evil.example' } }, /iss/],
  'another client': [{ claims: { aud: 'another' } }, /aud/],
  'no signature': [{ unsigned: true }, /does not count/],
  'a key of somebody else': [{ foreignKey: true }, /signature/],
  'another issuer in the address': [{ backIssuer: 'https://evil.example' }, /iss/],
  'no subject': [{ claims: { sub: undefined } }, /sub/],
  'a subject of control characters': [{ claims: { sub: '\u0001\u0002' } }, /sub/],
  'a subject that looks like another': [{ claims: { sub: 'ann\u200b' } }, /sub/],
  'a subject that is too long': [{ claims: { sub: 'x'.repeat(256) } }, /sub/],
} as const

for (const [what, [faults, reason]] of Object.entries(BAD_TOKENS)) {
  t.test(`an answer with ${what} is refused`, async (t) => {
    const { signIn, issuer, failure } = await scene(t)
    issuer.faults = faults
    t.match(await failure(await signIn()), reason)
    issuer.faults = {}
    t.ok((await signIn()).cookies['waybill_session'], 'the next one is taken')
  })
}

t.test('keys that were changed are found at once, and what does not change is asked once', async (t) => {
  const { signIn, issuer } = await scene(t)
  t.ok((await signIn()).cookies['waybill_session'])
  t.ok((await signIn()).cookies['waybill_session'])
  t.same([issuer.asked['/.well-known/openid-configuration'], issuer.asked['/jwks']], [1, 1])
  await issuer.rotate()
  t.ok((await signIn()).cookies['waybill_session'])
  t.ok((await signIn()).cookies['waybill_session'])
  t.same([issuer.asked['/.well-known/openid-configuration'], issuer.asked['/jwks']], [1, 2])
})

t.test('while the issuer is away the page says so, and a token works', async (t) => {
  const { begin, issuer, failure, api, signIn, come } = await scene(t)
  issuer.faults = { status: 503 }
  t.match(await failure(await begin()), /^The issuer cannot be asked.*A token works/)
  t.equal((await api.ask('GET', '/tenants', { token: CONFIGURED_TOKEN })).status, 200)
  issuer.faults = {}
  const begun = await begin()
  const back = await issuer.visit(begun.location)
  issuer.faults = { status: 503 }
  t.match(await failure(await come(back, begun.cookies)), /^The issuer cannot be asked/)
  issuer.faults = {}
  t.ok((await signIn()).cookies['waybill_session'])
})

t.test('without a role one is refused by a sentence that names the claim', async (t) => {
  const { signIn, issuer, failure } = await scene(t)
  issuer.faults = { claims: { groups: ['staff', '__proto__', 7] } }
  t.match(await failure(await signIn()), /You are ann@example.com.*claim "groups" has no value/)
  issuer.faults = { claims: { groups: undefined } }
  t.match(await failure(await signIn()), /claim "groups" is not among what/)
  issuer.faults = { claims: { groups: ['team-z'] } }
  t.match(await failure(await signIn()), /tenant no-such, which is not there/)
})

t.test("a tenant's person sees that tenant alone, until it is deleted", async (t) => {
  const { signIn, issuer, whoAmI, api, header } = await scene(t)
  issuer.faults = { claims: { groups: 'team-a' } }
  const { cookies } = await signIn()
  t.match((await whoAmI(cookies)).json(), { principal: { role: 'tenant', tenant: 'acme', kind: 'oidc' } })
  const headers = { cookie: header(cookies) }
  t.equal((await api.ask('GET', '/tenants/acme', { headers })).status, 200)
  t.equal((await api.ask('GET', '/tenants/globex', { headers })).status, 403)
  t.equal((await api.ask('GET', '/tokens', { headers })).status, 403)
  await setTenantState(sql, 'acme', 'deleted')
  t.equal((await whoAmI(cookies)).status, 401)
})

t.test('a session ends with its role, its issuer, the option, and its time', async (t) => {
  const { signIn, whoAmI, state, settings } = await scene(t)
  const { cookies } = await signIn()
  const becomes = async (changed: OidcSettings | null) => {
    state.settings = changed
    return (await whoAmI(cookies)).status
  }
  t.equal(await becomes({ ...settings, roles: { readers: 'viewer' } }), 401)
  t.equal(await becomes({ ...settings, issuer: 'https://other.example' }), 401)
  t.equal(await becomes(null), 401)
  t.equal(
    await becomes({ ...settings, sessionMs: 0 }),
    401,
    'a shorter time holds for sessions that are open',
  )
  t.equal(await becomes({ ...settings, roles: { platform: 'viewer' } }), 200)
  t.match((await whoAmI(cookies)).json(), { principal: { role: 'viewer' } })
  await sql`UPDATE admin_sessions SET expires_at = now() - interval '1 second'`
  t.equal(await becomes(settings), 401)
})

t.test('behind TLS the cookies are of this host alone', async (t) => {
  const { begin, signIn } = await scene(t, { publicUrl: 'https://ops.example.com' })
  t.match(
    (await begin()).reply.headers['set-cookie']?.[0],
    /^__Host-waybill_sign_in=.*HttpOnly.*Secure.*SameSite=Lax/,
  )
  const session = (await signIn()).reply.headers['set-cookie']?.find((line) =>
    line.startsWith('waybill_session='),
  )
  t.match(session, /Secure/)
})

t.test('after 20 codes that the issuer refused it is asked no more for a while', async (t) => {
  const { begin, come, issuer, failure } = await scene(t)
  const { location, cookies } = await begin()
  const state = new URL(location).searchParams.get('state')
  const back = `${PUBLIC}/callback?code=guessed&state=${state}&iss=${encodeURIComponent(issuer.url)}`
  for (let n = 0; n < 20; n++) t.match(await failure(await come(back, cookies)), /invalid_grant/)
  t.match(await failure(await come(back, cookies)), /Too many sign-ins failed/)
  t.equal(issuer.asked['/token'], 20)
})

t.test('failures that guess nothing lock nobody out, however many come', async (t) => {
  const { begin, come, issuer, failure, signIn } = await scene(t)
  const many = async (
    what: string,
    fail: () => Promise<{ cookies: Record<string, string> }>,
    why: RegExp,
  ) => {
    for (let n = 0; n < 25; n++) t.match(await failure(await fail()), why, what)
    t.ok((await signIn()).cookies['waybill_session'], what)
  }
  const { location, cookies } = await begin()
  const state = new URL(location).searchParams.get('state')
  const answer = (rest: string) => `${PUBLIC}/callback?${rest}&iss=${encodeURIComponent(issuer.url)}`
  await many('no cookie', () => come(answer('code=x&state=y'), {}), /was not begun here/)
  await many('another state', () => come(answer('code=x&state=y'), cookies), /state/)
  await many('given up', () => come(answer(`error=access_denied&state=${state}`), cookies), /access_denied/)
  issuer.faults = { claims: { groups: ['staff'] } }
  for (let n = 0; n < 25; n++) t.match(await failure(await signIn()), /may do nothing here/)
  issuer.faults = {}
  t.ok((await signIn()).cookies['waybill_session'], 'no role')
  const begun = await begin()
  const back = await issuer.visit(begun.location)
  issuer.faults = { status: 503 }
  for (let n = 0; n < 25; n++)
    t.match(await failure(await come(back, begun.cookies)), /^The issuer cannot be asked/)
  issuer.faults = {}
  t.ok((await signIn()).cookies['waybill_session'], 'the issuer was away')
})

t.test(
  'the methods name the issuer to people who are not signed in, and nothing where there is none',
  async (t) => {
    const { api, state } = await scene(t)
    t.same((await api.ask('GET', '/session/methods')).json(), {
      oidc: { label: 'Example', start: `${PUBLIC}/api/v1/session/oidc` },
    })
    state.settings = null
    t.same((await api.ask('GET', '/session/methods')).json(), { oidc: null })
    t.equal((await api.ask('GET', '/session/oidc')).status, 404)
    t.equal((await api.ask('GET', '/session/oidc/callback')).status, 404)
  },
)

t.test('a change has the whole subject of who made it, however long the name is', async (t) => {
  const { signIn, issuer, api, header } = await scene(t)
  issuer.faults = { claims: { groups: 'platform', email: 'n'.repeat(300), sub: 's'.repeat(150) } }
  const { cookies } = await signIn()
  const headers = { cookie: header(cookies) }
  const changed = await api.ask('PATCH', '/tenants/globex', { json: { maxConcurrency: 3 }, headers })
  t.equal(changed.status, 200)
  const log = await api.ask('GET', '/admin-log?subject=tenant:globex&limit=1', { token: CONFIGURED_TOKEN })
  t.match(log.json(), { items: [{ via: 'oidc', actor: new RegExp(`^n{39} \\(subject s{150}\\)$`) }] })
  const tenant = await api.tokenFor('tenant', 'globex')
  const own = await api.ask('GET', '/admin-log?subject=tenant:globex&limit=1', { token: tenant })
  t.match(own.json(), { items: [{ via: 'oidc', actor: 'operator' }] })
})
