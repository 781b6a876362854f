import t, { type Test } from 'tap'
import { routeOf } from '../../config/routes.ts'
import type { Route } from '../../model/route.ts'
import { FakeClock } from '../../test/clock.ts'
import { startGateway, type TestGateway } from '../../test/gateway.ts'
import { RawUpstream, until, type Message, type Wire } from '../../test/wire.ts'
import { TokenCounters } from './token-counters.ts'
import { upstreamTokens } from './upstream-tokens.ts'

const GET = 'GET /v2/hub/a/b/manifests/1 HTTP/1.1'
const PUT = 'PUT /v2/hub/a/b/manifests/1 HTTP/1.1'
const LOGIN = `Basic ${Buffer.from('reader:upstream-secret').toString('base64')}`
const FAILED = { outcome: 'upstream_refused', reason: 'upstream_auth', status: 502 } as const

interface Parts {
  readonly gateway: TestGateway
  readonly tokens: RawUpstream
  readonly counters: TokenCounters
  readonly clock: FakeClock
  /** Where the token server is, as a challenge names it. */
  readonly realm: string
}

/** A gateway before a registry whose tokens come of a server on a listed host. */
async function start(
  t: Test,
  more: Record<string, unknown> = {},
  changes: Partial<Route> = {},
): Promise<Parts> {
  const tokens = await RawUpstream.start()
  t.teardown(() => tokens.stop())
  const counters = new TokenCounters()
  const clock = new FakeClock()
  const gateway = await startGateway(t, { interceptors: [upstreamTokens({ counters, clock })] })
  const route = routeOf({
    name: 'hub',
    kind: 'oci',
    path: '/v2/hub/',
    upstream: `http://127.0.0.1:${gateway.upstream.port}/v2/`,
    upstreamAuth: { basic: { user: 'reader', password: 'upstream-secret' } },
    upstreamTokens: { hosts: [`http://127.0.0.1:${tokens.port}`] },
    maxConnections: 64,
    maxQueued: 64,
    ...more,
  })
  gateway.setRoutes([{ ...route, ...changes }])
  return { gateway, tokens, counters, clock, realm: `http://127.0.0.1:${tokens.port}/token` }
}

function json(wire: Wire, value: unknown, status = '200 OK'): void {
  const body = typeof value === 'string' ? value : JSON.stringify(value)
  wire.send(
    `HTTP/1.1 ${status}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
  )
}

function challenge(wire: Wire, realm: string, scope = 'repository:a/b:pull'): void {
  const body = '{"errors":[]}'
  wire.send(
    `HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Bearer realm="${realm}",service="hub",scope="${scope}"\r\n` +
      `Content-Length: ${body.length}\r\n\r\n${body}`,
  )
}

function ok(wire: Wire, body = 'ok'): void {
  wire.send(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`)
}

/** The next request to the registry is asked for a token. */
async function challenged(gateway: TestGateway, realm: string, scope?: string): Promise<Message> {
  const { wire, message } = await gateway.upstream.request()
  challenge(wire, realm, scope)
  return message
}

/** The next request to the token server gets this token. */
async function issue(tokens: RawUpstream, token: string, more: object = {}): Promise<Message> {
  const { wire, message } = await tokens.request()
  json(wire, { token, ...more })
  return message
}

/** The next request to the registry bears this token, and is answered. */
async function served(gateway: TestGateway, token: string): Promise<Message> {
  const { wire, message } = await gateway.upstream.request()
  ok(wire)
  if (message.field('authorization') !== `Bearer ${token}`)
    throw new Error(`it bears another: ${message.head}`)
  return message
}

t.test('a challenge is answered by the gateway, and the client sees neither it nor the token', async (t) => {
  const { gateway, tokens, counters, realm } = await start(t)
  const client = await gateway.client()
  client.send(gateway.head(GET))
  t.equal((await challenged(gateway, realm)).field('authorization'), LOGIN)
  const asked = await issue(tokens, 'T1')
  t.equal(asked.startLine, 'GET /token?service=hub&scope=repository%3Aa%2Fb%3Apull HTTP/1.1')
  t.equal(asked.field('authorization'), LOGIN)
  t.notMatch(asked.head, gateway.key.text)
  const second = await served(gateway, 'T1')
  t.equal(second.startLine, 'GET /v2/a/b/manifests/1 HTTP/1.1')
  const answer = await client.message()
  t.equal(answer.status, 200)
  t.equal(answer.body, 'ok')
  t.equal(answer.field('www-authenticate'), null)
  client.send(gateway.head('HEAD /v2/hub/a/b/manifests/2 HTTP/1.1'))
  const { wire, message } = await gateway.upstream.request()
  t.equal(message.field('authorization'), 'Bearer T1', 'what is known is borne at once')
  wire.send('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n')
  t.equal((await client.message({ isHead: true })).status, 200)
  t.strictSame(counters.stats, [
    { route: 'hub', results: { fetched: 1, refused: 0, failed: 0, not_asked: 0 } },
  ])
  await gateway.finish(t, [{ status: 200, bytesSent: 2 }, { status: 200 }])
})

t.test(
  'fifty requests that need one token have it fetched once, and one that leaves keeps none waiting',
  async (t) => {
    const { gateway, tokens, counters, realm } = await start(t)
    const clients = await Promise.all(Array.from({ length: 50 }, () => gateway.client()))
    for (const client of clients) client.send(gateway.head(GET))
    const asked: Wire[] = []
    while (asked.length < 50) asked.push((await gateway.upstream.request()).wire)
    for (const wire of asked) challenge(wire, realm)
    const { wire } = await tokens.request()
    clients[0]?.reset()
    await gateway.entry(1)
    json(wire, { access_token: 'T1' })
    for (let i = 1; i < 50; i++) await served(gateway, 'T1')
    for (const client of clients.slice(1)) t.equal((await client.message()).status, 200)
    t.equal(tokens.all.length, 1)
    t.equal(counters.route('hub').fetched, 1)
    await gateway.finish(t, [
      { outcome: 'client_closed' },
      ...Array.from({ length: 49 }, () => ({ status: 200 })),
    ])
  },
)

t.test('a token is used until shortly before it expires', async (t) => {
  const { gateway, tokens, clock, realm } = await start(t)
  const client = await gateway.client()
  client.send(gateway.head(GET))
  await challenged(gateway, realm)
  await issue(tokens, 'T1', { expires_in: 300 })
  await served(gateway, 'T1')
  await client.message()
  clock.pass(269_999)
  client.send(gateway.head(GET))
  await served(gateway, 'T1')
  await client.message()
  clock.pass(1)
  client.send(gateway.head(GET))
  await issue(tokens, 'T2')
  await served(gateway, 'T2')
  await client.message()
  clock.pass(47_999)
  client.send(gateway.head(GET))
  await served(gateway, 'T2')
  await client.message()
  clock.pass(1)
  client.send(gateway.head(GET))
  await issue(tokens, 'T3')
  await served(gateway, 'T3')
  await client.message()
  await gateway.finish(
    t,
    Array.from({ length: 5 }, () => ({ status: 200 })),
  )
})

t.test(
  'a token that was withdrawn is fetched anew once, and one that helps not is not asked for again',
  async (t) => {
    const { gateway, tokens, clock, realm } = await start(t)
    const client = await gateway.client()
    client.send(gateway.head(GET))
    await challenged(gateway, realm)
    await issue(tokens, 'T1')
    await served(gateway, 'T1')
    await client.message()
    clock.pass(1)
    client.send(gateway.head(GET))
    t.equal((await challenged(gateway, realm)).field('authorization'), 'Bearer T1')
    await issue(tokens, 'T2')
    t.equal((await challenged(gateway, realm)).field('authorization'), 'Bearer T2')
    const refused = await client.message()
    t.equal(refused.status, 502)
    t.equal(refused.field('www-authenticate'), null)
    client.send(gateway.head(GET))
    t.equal((await challenged(gateway, realm)).field('authorization'), LOGIN)
    t.equal((await client.message()).status, 502)
    clock.pass(2000)
    client.send(gateway.head(GET))
    await issue(tokens, 'T3')
    await served(gateway, 'T3')
    t.equal((await client.message()).status, 200)
    await gateway.finish(t, [{ status: 200 }, FAILED, FAILED, { status: 200 }])
  },
)

t.test('the upstream decides which scope it is, and that is remembered', async (t) => {
  const { gateway, tokens, realm } = await start(t)
  const client = await gateway.client()
  client.send(gateway.head(GET))
  await challenged(gateway, realm, 'repository:a/b:pull registry:other:*')
  t.match(
    (await issue(tokens, 'T1')).startLine,
    /&scope=repository%3Aa%2Fb%3Apull&scope=registry%3Aother%3A\* /,
  )
  await served(gateway, 'T1')
  await client.message()
  client.send(gateway.head('GET /v2/hub/a/b/tags/list HTTP/1.1'))
  await served(gateway, 'T1')
  await client.message()
  client.send(gateway.head('GET /v2/hub/c/tags/list HTTP/1.1'))
  t.match((await issue(tokens, 'T2')).startLine, /service=hub&scope=repository%3Ac%3Apull /)
  await served(gateway, 'T2')
  await client.message()
  await gateway.finish(
    t,
    Array.from({ length: 3 }, () => ({ status: 200 })),
  )
})

t.test('an upload that streams is sent with its token, which is obtained before', async (t) => {
  const { gateway, tokens, realm } = await start(t)
  const client = await gateway.client()
  client.send(gateway.head(PUT, 'Transfer-Encoding: chunked'))
  client.send('3\r\nabc\r\n')
  const { wire: probed, message: probe } = await gateway.upstream.request()
  t.equal(probe.startLine, 'GET /v2/ HTTP/1.1')
  t.equal(probe.field('authorization'), LOGIN)
  probed.send(
    `HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Bearer realm="${realm}",service="hub"\r\nContent-Length: 0\r\n\r\n`,
  )
  t.match((await issue(tokens, 'T1')).startLine, /scope=repository%3Aa%2Fb%3Apull%2Cpush /)
  const isSent = (): Wire | undefined => gateway.upstream.all.find((wire) => wire.text.includes('abc'))
  await until(() => isSent() !== undefined, 'the upload')
  client.send('0\r\n\r\n')
  const { wire, message } = await gateway.upstream.request()
  t.equal(message.field('authorization'), 'Bearer T1')
  t.equal(message.body, 'abc')
  ok(wire)
  t.equal((await client.message()).status, 200)
  client.send(`${gateway.head(PUT, 'Transfer-Encoding: chunked')}3\r\nabc\r\n0\r\n\r\n`)
  const again = await gateway.upstream.request()
  t.equal(again.message.field('authorization'), 'Bearer T1')
  challenge(again.wire, realm, 'repository:a/b:pull,push')
  t.equal((await client.message()).status, 502, 'it cannot be repeated')
  await gateway.finish(t, [{ status: 200, bytesReceived: 3 }, FAILED])
})

t.test('an upload to a registry that asks for no token goes without one', async (t) => {
  const { gateway, tokens } = await start(t)
  const client = await gateway.client()
  for (const isFirst of [true, false]) {
    client.send(`${gateway.head(PUT, 'Transfer-Encoding: chunked')}3\r\nabc\r\n0\r\n\r\n`)
    if (isFirst) {
      const { wire, message } = await gateway.upstream.request()
      t.equal(message.startLine, 'GET /v2/ HTTP/1.1')
      ok(wire, '{}')
    }
    const { wire, message } = await gateway.upstream.request()
    t.equal(message.startLine, 'PUT /v2/a/b/manifests/1 HTTP/1.1')
    t.equal(message.field('authorization'), LOGIN)
    ok(wire)
    t.equal((await client.message()).status, 200)
  }
  t.equal(tokens.all.length, 0)
  await gateway.finish(t, [{ status: 200 }, { status: 200 }])
})

t.test('realms that are nobody to ask are not asked', async (t) => {
  const { gateway, tokens, counters, clock } = await start(t, { upstreamTokens: { hosts: [] } })
  const client = await gateway.client()
  const realms = [
    `http://127.0.0.1:${tokens.port}/token`,
    `http://u:p@127.0.0.1:${gateway.upstream.port}/token`,
    'http://169.254.169.254/latest/',
    'https://169.254.169.254/latest/',
    'https://[fe80::1]/token',
    'https://x:y@127.0.0.1/token',
    'ftp://127.0.0.1/',
    '/token',
    'https://',
    `https://127.0.0.1/${'a'.repeat(3000)}`,
  ]
  for (const realm of realms) {
    client.send(gateway.head(GET))
    await challenged(gateway, realm)
    t.equal((await client.message()).status, 502, realm)
    // What was expected meanwhile is refused as well, and then it is asked as it was at first.
    clock.pass(2000)
  }
  t.equal(tokens.all.length, 0)
  t.ok(counters.route('hub').not_asked >= realms.length - 2)
  await gateway.finish(
    t,
    realms.map(() => FAILED),
  )
})

t.test('a token server that gives no token is 502, and is left alone for a moment', async (t) => {
  const { gateway, tokens, counters, clock, realm } = await start(t)
  const client = await gateway.client()
  const answers: [string, unknown][] = [
    ['200 OK', 'no json'],
    ['200 OK', '[]'],
    ['200 OK', { token: 7 }],
    ['200 OK', { token: 'a\r\nx-injected: b' }],
    ['200 OK', { token: 'a'.repeat(16_385) }],
    ['200 OK', { token: 'T1', rest: 'a'.repeat(65_536) }],
    ['302 Found', { token: 'T1' }],
    ['403 Forbidden', { errors: [] }],
    ['503 Service Unavailable', ''],
  ]
  let isFirst = true
  for (const [status, value] of answers) {
    client.send(gateway.head(GET))
    if (isFirst) await challenged(gateway, realm)
    const { wire } = await tokens.request()
    json(wire, value, status)
    // The upstream may yet answer what was not what it had been expected to be.
    if (!isFirst) await challenged(gateway, realm)
    t.equal((await client.message()).status, 502, JSON.stringify(value).slice(0, 40))
    isFirst = false
    clock.pass(2000)
  }
  t.match(counters.route('hub'), { fetched: 0, refused: 1, failed: answers.length - 1 })
  await gateway.finish(
    t,
    answers.map(() => FAILED),
  )
})

t.test(
  'a slow token server is given up in time, and one whose connection ends is asked once more',
  async (t) => {
    const { gateway, tokens, clock, realm } = await start(t)
    const client = await gateway.client()
    client.send(gateway.head(GET))
    await challenged(gateway, realm)
    const { wire } = await tokens.request()
    wire.send('HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n{"tok')
    await until(() => clock.timers === 1, 'its limit')
    clock.pass(10_000)
    t.equal((await client.message()).status, 502)
    await wire.closed()
    clock.pass(2000)
    client.send(gateway.head(GET))
    await issue(tokens, 'T1')
    await served(gateway, 'T1')
    t.equal((await client.message()).status, 200)
    client.send(gateway.head('GET /v2/hub/c/manifests/1 HTTP/1.1'))
    ;(await tokens.request()).wire.reset()
    await issue(tokens, 'T2')
    await served(gateway, 'T2')
    t.equal((await client.message()).status, 200)
    t.equal(clock.timers, 0)
    await gateway.finish(t, [FAILED, { status: 200 }, { status: 200 }])
  },
)

t.test('a client that leaves before its request is sent leaves nothing behind', async (t) => {
  const { gateway, tokens, realm } = await start(t)
  const leaving = await gateway.client()
  leaving.send(gateway.head(PUT, 'Content-Length: 3'))
  const { wire } = await gateway.upstream.request()
  leaving.reset()
  await gateway.entry(1)
  challenge(wire, realm)
  const client = await gateway.client()
  client.send(gateway.head(GET))
  await challenged(gateway, realm)
  await issue(tokens, 'T1')
  await served(gateway, 'T1')
  t.equal((await client.message()).status, 200)
  await gateway.finish(t, [{ outcome: 'client_closed' }, { status: 200 }])
})

t.test('a realm at the upstream itself gets the credentials, and all the route sets there', async (t) => {
  const { gateway } = await start(t, {
    upstreamTokens: undefined,
    upstreamAuth: { header: { name: 'X-Api-Token', value: 'upstream-secret' } },
  })
  const client = await gateway.client()
  client.send(gateway.head(GET))
  await challenged(gateway, `http://127.0.0.1:${gateway.upstream.port}/token?a=b`)
  const { wire, message } = await gateway.upstream.request()
  t.match(message.startLine, /^GET \/token\?a=b&service=hub&scope=/)
  t.equal(message.field('x-api-token'), 'upstream-secret')
  t.equal(message.field('authorization'), null)
  json(wire, { token: 'T1' })
  await served(gateway, 'T1')
  t.equal((await client.message()).status, 200)
  await gateway.finish(t, [{ status: 200 }])
})

t.test('an upstream that takes tokens no more is asked as the route logs in', async (t) => {
  const { gateway, tokens, realm } = await start(t)
  const client = await gateway.client()
  client.send(gateway.head(GET))
  await challenged(gateway, realm)
  await issue(tokens, 'T1')
  await served(gateway, 'T1')
  await client.message()
  client.send(gateway.head(GET))
  const { wire } = await gateway.upstream.request()
  wire.send('HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm="x"\r\nContent-Length: 0\r\n\r\n')
  const { wire: second, message } = await gateway.upstream.request()
  t.equal(message.field('authorization'), LOGIN)
  ok(second)
  t.equal((await client.message()).status, 200)
  await gateway.finish(t, [{ status: 200 }, { status: 200 }])
})

t.test('what a client logs in with by itself is its own affair', async (t) => {
  const { gateway, tokens, realm } = await start(t, { auth: 'public', upstreamAuth: undefined })
  const client = await gateway.client()
  client.send(`${GET}\r\nHost: gw\r\nAuthorization: Bearer mine\r\n\r\n`)
  t.equal((await challenged(gateway, realm)).field('authorization'), 'Bearer mine')
  const answer = await client.message()
  t.equal(answer.status, 401)
  t.match(answer.field('www-authenticate'), /^Bearer/)
  client.send(`${GET}\r\nHost: gw\r\n\r\n`)
  const { wire } = await gateway.upstream.request()
  wire.send('HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm="x"\r\nContent-Length: 0\r\n\r\n')
  t.equal((await client.message()).field('www-authenticate'), 'Basic realm="x"')
  client.send(`${GET}\r\nHost: gw\r\n\r\n`)
  await challenged(gateway, realm)
  t.equal((await issue(tokens, 'T1')).field('authorization'), null)
  await served(gateway, 'T1')
  t.equal((await client.message()).status, 200)
  await gateway.finish(t, [{ status: 401 }, { status: 401 }, { status: 200 }])
})

t.test('a challenge with an endless body, and one without an end, are passed over', async (t) => {
  const { gateway, tokens, realm } = await start(t)
  const client = await gateway.client()
  client.send(gateway.head(GET))
  const { wire } = await gateway.upstream.request()
  wire.send(
    `HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Bearer realm="${realm}"\r\nContent-Length: 9999999\r\n\r\n`,
  )
  wire.send('a'.repeat(70_000))
  await wire.closed()
  await issue(tokens, 'T1')
  await served(gateway, 'T1')
  t.equal((await client.message()).status, 200)
  await gateway.finish(t, [{ status: 200 }])
})
