import t from 'tap'
import { mintKey } from '../../model/api-key.ts'
import type { Route } from '../../model/route.ts'
import { startGateway, type TestGateway } from '../../test/gateway.ts'
import { until, type Message } from '../../test/wire.ts'

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'
const npm: Partial<Route> = { name: 'npm', kind: 'npm', path: '/npm/' }
const images: Partial<Route> = { name: 'images', kind: 'oci', path: '/v2/images/' }
const open: Partial<Route> = { name: 'open', kind: 'oci', path: '/v2/open/', auth: 'public' }
const KNOWN = { trust: { trustedProxies: null, publicProto: null, publicHost: null, isLoopback: true } }

async function ask(gateway: TestGateway, lines: string, body = ''): Promise<Message> {
  const client = await gateway.client()
  const length = body === '' ? '' : `\r\nContent-Length: ${body.length}`
  client.send(`${lines}${length}\r\n\r\n${body}`)
  return client.message({ isHead: lines.startsWith('HEAD') })
}

function challenges({ fields }: Message): string[] {
  return fields.filter(([name]) => name === 'www-authenticate').map(([, value]) => value)
}

t.test('npm ping, whoami and logout are answered to whoever has a key', async (t) => {
  const gateway = await startGateway(t, { routes: [npm] })
  const auth = `Host: gw\r\nAuthorization: Bearer ${gateway.key.text}`
  const whoami = await ask(gateway, `GET /npm/-/whoami HTTP/1.1\r\n${auth}`)
  t.same([whoami.status, whoami.body], [200, '{"username":"acme"}'])
  t.equal(whoami.field('cache-control'), 'no-store')
  t.equal((await ask(gateway, `GET /npm/-/ping?write=true HTTP/1.1\r\n${auth}`)).body, '{}')
  t.equal((await ask(gateway, `HEAD /npm/-/ping HTTP/1.1\r\n${auth}`)).status, 200)
  const logout = await ask(gateway, `DELETE /npm/-/user/token/${gateway.key.text} HTTP/1.1\r\n${auth}`)
  t.same([logout.status, logout.body], [200, '{"ok":true}'])
  t.equal((await ask(gateway, `GET /npm/-/whoami HTTP/1.1\r\n${auth}`)).status, 200, 'the key goes on')
  t.equal((await ask(gateway, 'GET /npm/-/whoami HTTP/1.1\r\nHost: gw')).status, 401)
  t.equal(gateway.upstream.all.length, 0, 'nobody else was asked')
  const answered = {
    outcome: 'answered',
    tenant: 'acme',
    route: 'npm',
    ecosystem: 'npm',
    status: 200,
  } as const
  const rest = [answered, { ...answered, path: '/npm/-/user/token/***' }, answered, { status: 401 }]
  await gateway.finish(t, [answered, answered, ...rest])
})

t.test(
  'npm login takes the key for a password, whatever the name, and whatever token came with it',
  async (t) => {
    const gateway = await startGateway(t, { routes: [npm] })
    const put = 'PUT /npm/-/user/org.couchdb.user:me HTTP/1.1\r\nHost: gw\r\nContent-Type: application/json'
    const login = (password: unknown): string => JSON.stringify({ name: 'me', password, type: 'user' })
    const right = await ask(gateway, put, login(gateway.key.text))
    t.equal(right.status, 201)
    t.same(JSON.parse(right.body), {
      ok: true,
      id: 'org.couchdb.user:acme',
      rev: '1-0',
      token: gateway.key.text,
    })
    t.equal(right.field('cache-control'), 'no-store')
    const stale = `${put}\r\nAuthorization: Bearer ${mintKey().text}`
    t.equal((await ask(gateway, stale, login(gateway.key.text))).status, 201)
    const chunk = login(gateway.key.text)
    const chunked = `${put}\r\nTransfer-Encoding: chunked\r\n\r\n${chunk.length.toString(16)}\r\n${chunk}\r\n0`
    t.equal((await ask(gateway, chunked)).status, 201)
    t.equal((await ask(gateway, put, login(mintKey().text))).status, 401)
    t.equal((await ask(gateway, put, login('secret'))).status, 401)
    for (const body of ['{', 'null', '[]', '{"password":7}', ''])
      t.equal((await ask(gateway, put, body)).status, 401, body)
    t.equal((await ask(gateway, put, ' '.repeat(65_537))).status, 413)
    await gateway.finish(t, [
      ...Array.from({ length: 3 }, () => ({ outcome: 'answered', status: 201, tenant: 'acme' }) as const),
      { reason: 'unknown_key', path: '/npm/-/user/org.couchdb.user:me' },
      { reason: 'malformed_key' },
      ...Array.from({ length: 5 }, () => ({ reason: 'missing_key' }) as const),
      { outcome: 'body_too_large', tenant: '' },
    ])
  },
)

t.test('a chunked login that is too long, or that stops, is given up', async (t) => {
  const gateway = await startGateway(t, { routes: [npm] })
  const head =
    'PUT /npm/-/user/org.couchdb.user:me HTTP/1.1\r\nHost: gw\r\nTransfer-Encoding: chunked\r\n\r\n'
  const client = await gateway.client()
  client.send(`${head}10001\r\n${'x'.repeat(65_537)}\r\n`)
  t.equal((await client.message()).status, 413)
  const slow = await gateway.client()
  slow.send(`${head}5\r\n{"pas`)
  await until(() => gateway.counters.inFlight > 0, 'the login to be read')
  gateway.handler.tick(performance.now() + 15_001)
  t.equal((await slow.message()).status, 408)
  await gateway.finish(t, [{ outcome: 'body_too_large' }, { reason: 'body_timeout', status: 408 }])
})

t.test('npm falls back from the login by a web page', async (t) => {
  const gateway = await startGateway(t, { routes: [npm] })
  const answer = await ask(gateway, 'POST /npm/-/v1/login HTTP/1.1\r\nHost: gw', '{}')
  t.equal(answer.status, 404)
  t.match(answer.body, 'auth-type=legacy')
  await gateway.finish(t, [{ outcome: 'answered', status: 404, tenant: '' }])
})

t.test("what npm asks of a registry's accounts, and all of a public route, is the upstream's", async (t) => {
  const gateway = await startGateway(t, { routes: [npm, { ...npm, name: 'p', path: '/p/', auth: 'public' }] })
  const auth = `Host: gw\r\nAuthorization: Bearer ${gateway.key.text}`
  const lines = [
    `GET /npm/-/npm/v1/user HTTP/1.1\r\n${auth}`,
    `GET /npm/-/npm/v1/tokens HTTP/1.1\r\n${auth}`,
    `PUT /npm/-/whoami HTTP/1.1\r\n${auth}`,
    'GET /p/-/whoami HTTP/1.1\r\nHost: gw',
    'GET /p/-/ping HTTP/1.1\r\nHost: gw',
    'POST /p/-/v1/login HTTP/1.1\r\nHost: gw\r\nContent-Length: 0',
    'PUT /p/-/user/org.couchdb.user:me HTTP/1.1\r\nHost: gw\r\nContent-Length: 0',
  ]
  for (const line of lines) {
    const client = await gateway.client()
    client.send(`${line}\r\n\r\n`)
    ;(await gateway.upstream.request()).wire.send(OK)
    t.equal((await client.message()).status, 200, line.slice(0, 40))
  }
  await gateway.finish(
    t,
    lines.map(() => ({ outcome: 'forwarded' }) as const),
  )
})

t.test('one ping is answered for all images of a host', async (t) => {
  const gateway = await startGateway(t, { routes: [images, {}], ...KNOWN })
  const auth = `Host: gw:8080\r\nAuthorization: Basic ${btoa(`me:${gateway.key.text}`)}`
  for (const line of ['GET /v2/', 'GET /v2', 'HEAD /v2/']) {
    const pong = await ask(gateway, `${line} HTTP/1.1\r\n${auth}`)
    t.equal(pong.status, 200)
    t.equal(pong.field('docker-distribution-api-version'), 'registry/2.0')
  }
  const asked = await ask(gateway, 'GET /v2/ HTTP/1.1\r\nHost: gw:8080')
  t.equal(asked.status, 401)
  t.same(challenges(asked), [
    'Bearer realm="http://gw:8080/v2/token",service="gw:8080"',
    'Basic realm="Waybill", charset="UTF-8"',
  ])
  t.equal((await ask(gateway, `POST /v2/ HTTP/1.1\r\n${auth}\r\nContent-Length: 0`)).status, 404)
  t.equal((await ask(gateway, `GET /v2/x HTTP/1.1\r\n${auth}`)).status, 404)
  const answered = { outcome: 'answered', kind: 'oci', ecosystem: 'oci', route: '', tenant: 'acme' } as const
  const missing = { reason: 'missing_key', kind: 'oci' } as const
  const rest = [missing, { outcome: 'no_route' }, { outcome: 'no_route' }] as const
  await gateway.finish(t, [answered, answered, answered, ...rest])
})

t.test('hosts without images have no ping; those with public images alone ask for nothing', async (t) => {
  const routes = [
    { ...images, path: '/v2/', host: 'images.example.com' },
    { ...open, host: 'open.example.com' },
    { ...open, name: 'mixed', host: 'mixed.example.com' },
    { ...images, name: 'closed', host: 'mixed.example.com' },
  ]
  const trust = { trustedProxies: null, publicProto: 'https', publicHost: 'gw.example.com:8443' }
  const gateway = await startGateway(t, { routes, trust })
  const ping = (host: string): Promise<Message> => ask(gateway, `GET /v2/ HTTP/1.1\r\nHost: ${host}`)
  t.equal((await ping('gw.example.com')).status, 404)
  t.equal((await ping('open.example.com')).status, 200)
  t.same(challenges(await ping('images.example.com')), [
    'Bearer realm="https://images.example.com:8443/v2/token",service="images.example.com:8443"',
    'Basic realm="Waybill", charset="UTF-8"',
  ])
  t.same(
    challenges(await ping('mixed.example.com')),
    ['Bearer realm="https://mixed.example.com:8443/v2/token",service="mixed.example.com:8443"'],
    'docker gives up at a Basic challenge when it has no credentials',
  )
  await gateway.finish(t, [
    { outcome: 'no_route' },
    { outcome: 'answered', tenant: '' },
    { reason: 'missing_key', route: 'images' },
    { reason: 'missing_key', route: '' },
  ])
})

t.test(
  'a manifest without credentials is asked for by name; where nobody said the address, by Basic',
  async (t) => {
    const gateway = await startGateway(t, { routes: [images] })
    const head = 'HEAD /v2/images/app/manifests/1 HTTP/1.1\r\nHost: elsewhere.example'
    t.same(challenges(await ask(gateway, head)), ['Basic realm="Waybill", charset="UTF-8"'])
    gateway.apply(KNOWN)
    t.match(challenges(await ask(gateway, head)), [
      /^Bearer realm="http:\/\/elsewhere\.example\/v2\/token",.*,scope="repository:images\/app:pull"$/,
      /^Basic/,
    ])
    await gateway.finish(t, [{ status: 401 }, { status: 401 }])
  },
)
