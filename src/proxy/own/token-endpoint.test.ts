import t from 'tap'
import { mintKey } from '../../model/api-key.ts'
import type { Route } from '../../model/route.ts'
import { startGateway, type TestGateway } from '../../test/gateway.ts'
import type { Message } from '../../test/wire.ts'

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'
const images: Partial<Route> = { name: 'images', kind: 'oci', path: '/v2/images/' }
const other: Partial<Route> = { name: 'other', kind: 'oci', path: '/v2/other/' }
const open: Partial<Route> = { name: 'open', kind: 'oci', path: '/v2/open/', auth: 'public' }
const trust = { trustedProxies: null, publicProto: null, publicHost: null, isLoopback: true }

async function ask(gateway: TestGateway, lines: string, body = ''): Promise<Message> {
  const client = await gateway.client()
  const length = body === '' ? '' : `\r\nContent-Length: ${body.length}`
  client.send(`${lines}${length}\r\n\r\n${body}`)
  return client.message({ isHead: lines.startsWith('HEAD') })
}

function basic(key: string): string {
  return `Authorization: Basic ${btoa(`me:${key}`)}`
}

function tokenOf({ body }: Message): string {
  const { token, access_token: same } = JSON.parse(body) as { token: string; access_token: string }
  return token === same ? token : ''
}

function accessOf(token: string): unknown {
  const claims = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as {
    access: unknown
  }
  return claims.access
}

/** A request with a token that is forwarded. */
async function passes(gateway: TestGateway, line: string, token: string): Promise<number> {
  const client = await gateway.client()
  client.send(`${line} HTTP/1.1\r\nHost: gw\r\nAuthorization: Bearer ${token}\r\n\r\n`)
  const { wire, message } = await gateway.upstream.request()
  if (message.field('authorization') !== null) return 0
  wire.send(OK)
  return (await client.message()).status
}

async function refusal(gateway: TestGateway, line: string, token: string): Promise<Message> {
  return ask(gateway, `${line} HTTP/1.1\r\nHost: gw\r\nAuthorization: Bearer ${token}`)
}

t.test(
  'docker logs in by GET, pings and pulls with the token; the key ends, and so do its tokens',
  async (t) => {
    const gateway = await startGateway(t, { routes: [images], trust })
    const login = 'GET /v2/token?account=me&client_id=docker&offline_token=true&service=gw'
    const got = await ask(gateway, `${login} HTTP/1.1\r\nHost: gw\r\n${basic(gateway.key.text)}`)
    t.equal(got.status, 200)
    t.match(JSON.parse(got.body), { expires_in: 300, issued_at: /^\d{4}-.*Z$/ })
    t.equal(got.field('cache-control'), 'no-store')
    t.equal((await refusal(gateway, 'GET /v2/', tokenOf(got))).status, 200, 'good for a ping')
    const none = await refusal(gateway, 'GET /v2/images/app/manifests/1', tokenOf(got))
    t.equal(none.status, 401, 'and for nothing else')
    t.match(none.field('www-authenticate'), 'scope="repository:images/app:pull",error="insufficient_scope"')
    const scope = 'scope=repository:images/app:pull,push&scope=repository:images/base:pull'
    const more = await ask(
      gateway,
      `GET /v2/token?service=gw&${scope} HTTP/1.1\r\nHost: gw\r\n${basic(gateway.key.text)}`,
    )
    const token = tokenOf(more)
    t.same(accessOf(token), [
      { type: 'repository', name: 'images/app', actions: ['pull', 'push'] },
      { type: 'repository', name: 'images/base', actions: ['pull'] },
    ])
    t.equal(await passes(gateway, 'GET /v2/images/app/manifests/1', token), 200)
    t.equal(await passes(gateway, 'PUT /v2/images/app/manifests/1', token), 200)
    t.equal((await refusal(gateway, 'PUT /v2/images/base/manifests/1', token)).status, 401)
    gateway.directory.key(gateway.key, { isRevoked: true })
    t.equal((await refusal(gateway, 'GET /v2/images/app/manifests/1', token)).status, 401)
    const entry = { tenant: 'acme', keyId: gateway.key.id } as const
    await gateway.finish(t, [
      { ...entry, outcome: 'answered', kind: 'oci', route: '' },
      { ...entry, outcome: 'answered' },
      { ...entry, reason: 'token_scope' },
      { ...entry, outcome: 'answered' },
      { ...entry, outcome: 'forwarded', route: 'images' },
      { ...entry, outcome: 'forwarded' },
      { ...entry, reason: 'token_scope' },
      { ...entry, reason: 'revoked_key' },
    ])
  },
)

t.test('containerd and helm log in by POST of a form; several scopes stand in one field', async (t) => {
  const gateway = await startGateway(t, { routes: [images, other], trust })
  const post = 'POST /v2/token HTTP/1.1\r\nHost: gw\r\nContent-Type: application/x-www-form-urlencoded'
  const scope = 'scope=repository%3Aimages%2Fapp%3Apull+repository%3Aother%2Fb%3Apull%2Cpush'
  const form = `grant_type=password&service=gw&client_id=c&username=me&password=${gateway.key.text}&${scope}`
  const got = await ask(gateway, post, form)
  t.same(accessOf(tokenOf(got)), [
    { type: 'repository', name: 'images/app', actions: ['pull'] },
    { type: 'repository', name: 'other/b', actions: ['pull', 'push'] },
  ])
  const kept = `grant_type=refresh_token&service=gw&refresh_token=${gateway.key.text}&${scope}`
  t.equal((await ask(gateway, post, kept)).status, 200)
  t.equal((await ask(gateway, post, form.replace(gateway.key.text, 'wrong'))).status, 401)
  t.equal((await ask(gateway, post, ' '.repeat(65_537))).status, 413)
  const answered = { outcome: 'answered', tenant: 'acme' } as const
  await gateway.finish(t, [answered, answered, { reason: 'malformed_key' }, { status: 413 }])
})

t.test('a token is for what its key may do, and nobody gets one for what is public alone', async (t) => {
  const gateway = await startGateway(t, { routes: [images, other, open, {}], trust })
  const reader = mintKey()
  gateway.directory.key(reader, { scopeList: ['images:read'] })
  const scopes = [
    'repository:images/app:pull,push,delete,*',
    'repository:other/app:pull',
    'repository:open/app:pull',
    'repository:nowhere/app:pull',
    'repository:r/app:pull',
    'repository:images/../x:pull',
    'repository:images/"x:pull',
    'registry:catalog:*',
    'garbage',
  ]
  const query = scopes.map((scope) => `scope=${encodeURIComponent(scope)}`).join('&')
  const get = `GET /v2/token?service=gw&${query} HTTP/1.1\r\nHost: gw`
  t.same(accessOf(tokenOf(await ask(gateway, `${get}\r\n${basic(reader.text)}`))), [
    { type: 'repository', name: 'images/app', actions: ['pull'] },
    { type: 'repository', name: 'open/app', actions: ['pull'] },
  ])
  const nobody = tokenOf(await ask(gateway, get))
  t.same(accessOf(nobody), [{ type: 'repository', name: 'open/app', actions: ['pull'] }])
  t.equal(
    await passes(gateway, 'GET /v2/open/app/manifests/1', nobody),
    200,
    'and the upstream sees none of it',
  )
  t.equal((await refusal(gateway, 'GET /v2/images/app/manifests/1', nobody)).status, 401)
  t.equal((await ask(gateway, 'GET /v2/token HTTP/1.1\r\nHost: gw')).status, 401)
  await gateway.finish(t, [
    { outcome: 'answered' },
    { outcome: 'answered', tenant: '' },
    { outcome: 'forwarded', route: 'open', tenant: '' },
    { reason: 'missing_key' },
    { reason: 'missing_key' },
  ])
})

t.test(
  'a token that is forged, for another host, too old or of an unknown signer has its own reason',
  async (t) => {
    let nowMs = Date.UTC(2026, 10, 27)
    const gateway = await startGateway(t, { routes: [images], trust, now: () => nowMs })
    const get = 'GET /v2/token?scope=repository:images/app:pull HTTP/1.1\r\nHost: gw'
    const token = tokenOf(await ask(gateway, `${get}\r\n${basic(gateway.key.text)}`))
    const asked = 'GET /v2/images/app/manifests/1'
    const [head = '', body = '', sign = ''] = token.split('.')
    const forged = Buffer.from(body, 'base64url').toString().replace('pull', '*')
    const bodies = new Set<string>()
    const see = async (answer: Promise<Message>): Promise<void> => {
      const { status, fields } = await answer
      t.equal(status, 401)
      bodies.add(
        fields
          .filter(([name]) => name === 'www-authenticate')
          .join('|')
          .replaceAll('elsewhere', 'gw'),
      )
    }
    await see(refusal(gateway, asked, `${head}.${Buffer.from(forged).toString('base64url')}.${sign}`))
    await see(refusal(gateway, asked, `${head}.${body}.${'A'.repeat(43)}`))
    const none = Buffer.from('{"typ":"waybill+jwt","alg":"none","kid":"0123456789abcdef"}').toString(
      'base64url',
    )
    await see(refusal(gateway, asked, `${none}.${body}.${sign}`))
    await see(ask(gateway, `${asked} HTTP/1.1\r\nHost: elsewhere\r\nAuthorization: Bearer ${token}`))
    nowMs += 309_000
    t.equal(await passes(gateway, asked, token), 200, 'clocks differ')
    nowMs += 2000
    await see(refusal(gateway, asked, token))
    nowMs -= 322_000
    await see(refusal(gateway, asked, token))
    nowMs += 20_000
    gateway.directory.signingKeys = []
    gateway.directory.replace()
    await see(refusal(gateway, asked, token))
    t.equal((await ask(gateway, `${get}\r\n${basic(gateway.key.text)}`)).status, 503, 'nothing to sign with')
    t.equal(bodies.size, 1, 'alike for the client')
    await gateway.finish(t, [
      { outcome: 'answered' },
      { reason: 'token_signature' },
      { reason: 'token_signature' },
      { reason: 'token_unknown_key' },
      { reason: 'token_audience' },
      { outcome: 'forwarded' },
      { reason: 'token_expired' },
      { reason: 'token_expired' },
      { reason: 'token_unknown_key' },
      { reason: 'no_signing_key' },
    ])
  },
)

t.test(
  'signers change without a token refused, and what retired is forgotten after the life of a token',
  async (t) => {
    let nowMs = Date.UTC(2026, 10, 27)
    const gateway = await startGateway(t, { routes: [images], trust, now: () => nowMs })
    const get = 'GET /v2/token?scope=repository:images/app:pull HTTP/1.1\r\nHost: gw'
    const fetch = async (): Promise<string> =>
      tokenOf(await ask(gateway, `${get}\r\n${basic(gateway.key.text)}`))
    const kid = (token: string): unknown =>
      (JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString()) as { kid: string }).kid
    const asked = 'GET /v2/images/app/manifests/1'
    const [first] = gateway.directory.signingKeys
    if (first === undefined) throw new Error('no signing key')
    const changeMs = nowMs + 30_000
    const second = { ...first, kid: 'f'.repeat(16), secret: 'B'.repeat(43), activeFromMs: changeMs }
    gateway.directory.signingKeys = [{ ...first, retiresAtMs: changeMs }, second]
    gateway.directory.replace()
    const before = await fetch()
    t.equal(kid(before), first.kid, 'not before all gateways know the new one')
    nowMs = changeMs + 1000
    const after = await fetch()
    t.equal(kid(after), second.kid)
    t.equal(await passes(gateway, asked, before), 200)
    t.equal(await passes(gateway, asked, after), 200)
    await gateway.finish(
      t,
      Array.from({ length: 4 }, () => ({ tenant: 'acme' })),
    )
  },
)

t.test(
  'wrong credentials at the token endpoint are never 429, and count for the source elsewhere',
  async (t) => {
    const failures = { perMinute: 1, burst: 2, maxSources: 10 }
    const gateway = await startGateway(t, { routes: [images], trust, failures })
    const wrong = `HTTP/1.1\r\nHost: gw\r\n${basic(mintKey().text)}`
    for (let i = 0; i < 4; i++) t.equal((await ask(gateway, `GET /v2/token ${wrong}`)).status, 401)
    t.equal((await ask(gateway, `GET /v2/images/app/manifests/1 ${wrong}`)).status, 429)
    t.equal(
      (await ask(gateway, `GET /v2/token HTTP/1.1\r\nHost: gw\r\n${basic(gateway.key.text)}`)).status,
      200,
    )
    const unknown = Array.from({ length: 4 }, () => ({ reason: 'unknown_key' }) as const)
    await gateway.finish(t, [...unknown, { reason: 'auth_throttled' }, { outcome: 'answered' }])
  },
)
