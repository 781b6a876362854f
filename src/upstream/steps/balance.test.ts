import { createServer, type AddressInfo } from 'node:net'
import { once } from 'node:events'
import t, { type Test } from 'tap'
import type { Route } from '../../model/route.ts'
import { startGateway, testRoute, type TestGateway } from '../../test/gateway.ts'
import { RawUpstream, until } from '../../test/wire.ts'

const GET = 'GET /r/x HTTP/1.1'
const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'

/** A port that nobody listens on. */
async function deadPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

function addresses(...ports: number[]): Pick<Route['upstream'], 'origin' | 'origins'> {
  const origins = ports.map((port) => `http://127.0.0.1:${port}`)
  return { origin: origins[0] ?? '', origins }
}

function shared(gateway: TestGateway, ports: number[], keys: Partial<Route> = {}): Route {
  const route = testRoute(gateway.upstream.port)
  return { ...route, ...keys, upstream: { ...route.upstream, ...addresses(...ports) } }
}

async function startOther(t: Test): Promise<RawUpstream> {
  const upstream = await RawUpstream.start()
  t.teardown(() => upstream.stop())
  return upstream
}

t.test('requests under way at one address send the next one to the other', async (t) => {
  const gateway = await startGateway(t)
  const other = await startOther(t)
  gateway.setRoutes([shared(gateway, [gateway.upstream.port, other.port])])
  const clients = await Promise.all(Array.from({ length: 4 }, () => gateway.client()))
  for (const client of clients) client.send(gateway.head(GET))
  for (let i = 0; i < 2; i++) {
    const asked = await gateway.upstream.request()
    t.equal(asked.message.field('host'), `127.0.0.1:${gateway.upstream.port}`)
    asked.wire.send(OK)
    const beside = await other.request()
    t.equal(beside.message.field('host'), `127.0.0.1:${other.port}`)
    beside.wire.send(OK)
  }
  for (const client of clients) t.equal((await client.message()).status, 200)
  await gateway.quiet()
  const names = [gateway.upstream.port, other.port].map((port) => `127.0.0.1:${port}`)
  t.same(
    gateway.entries.map(({ upstream }) => upstream).toSorted(),
    [...names, ...names].toSorted(),
    'the entry says which',
  )
})

t.test(
  'what could not be connected goes to another address with its body, whatever the method',
  async (t) => {
    const gateway = await startGateway(t)
    const dead = await deadPort()
    gateway.setRoutes([shared(gateway, [dead, gateway.upstream.port])])
    const client = await gateway.client()
    client.send(gateway.head('POST /r/x HTTP/1.1', 'Transfer-Encoding: chunked'))
    client.send('3\r\nabc\r\n')
    client.send('0\r\n\r\n')
    const { wire, message } = await gateway.upstream.request()
    t.match(message.body, 'abc')
    wire.send(OK)
    t.equal((await client.message()).status, 200)
    await gateway.finish(t, [{ status: 200, upstream: `127.0.0.1:${gateway.upstream.port}` }])
  },
)

t.test('with no address to be connected to, the client hears of the last one', async (t) => {
  const gateway = await startGateway(t)
  gateway.setRoutes([shared(gateway, [await deadPort(), await deadPort()])])
  const client = await gateway.client()
  client.send(gateway.head(GET))
  t.equal((await client.message()).status, 502)
  await gateway.finish(t, [{ status: 502, reason: 'connection_refused' }])
})

t.test('what was sent is not sent again', async (t) => {
  const gateway = await startGateway(t)
  const other = await startOther(t)
  gateway.setRoutes([shared(gateway, [gateway.upstream.port, other.port])])
  const client = await gateway.client()
  client.send(gateway.head('POST /r/x HTTP/1.1', 'Content-Length: 0'))
  const { wire } = await gateway.upstream.request()
  wire.reset()
  t.equal((await client.message()).status, 502)
  t.equal(other.all.length, 0)
  await gateway.finish(t, [{ reason: 'connection_reset' }])
})

t.test('redirects of any of the addresses come back through the route', async (t) => {
  const gateway = await startGateway(t)
  const dead = await deadPort()
  gateway.setRoutes([shared(gateway, [dead, gateway.upstream.port])])
  const client = await gateway.client()
  client.send(gateway.head(GET))
  const { wire } = await gateway.upstream.request()
  wire.send(
    `HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:${gateway.upstream.port}/y\r\nContent-Length: 0\r\n\r\n`,
  )
  t.equal((await client.message()).field('location'), '/r/y')
  await gateway.finish(t, [{ status: 302 }])
})

t.test('a WebSocket goes to an address whose breaker is closed', async (t) => {
  const gateway = await startGateway(t)
  const breaker = {
    failsOn: ['connect'],
    minAttempts: 1,
    failureShare: 1,
    windowMs: 1e4,
    openMs: 1e5,
  } as const
  gateway.setRoutes([
    shared(gateway, [await deadPort(), gateway.upstream.port], { breaker: { ...breaker, maxOpenMs: 1e5 } }),
  ])
  const client = await gateway.client()
  client.send(gateway.head(GET))
  ;(await gateway.upstream.request()).wire.send(OK)
  t.equal((await client.message()).status, 200)
  for (let i = 0; i < 2; i++) {
    const socket = await gateway.client()
    socket.send(
      gateway.head(
        GET,
        'Connection: Upgrade',
        'Upgrade: websocket',
        'Sec-WebSocket-Version: 13',
        'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
      ),
    )
    const { wire } = await gateway.upstream.request()
    wire.send('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
    t.equal((await socket.message()).status, 101)
    socket.reset()
  }
  await gateway.quiet()
})

t.test(
  'an open breaker answers 503 with Retry-After and asks nobody; one good trial closes it',
  async (t) => {
    const gateway = await startGateway(t)
    const { port } = gateway.upstream
    const breaker = { failsOn: ['5xx'], minAttempts: 3, failureShare: 0.5, windowMs: 1e4 } as const
    const route = testRoute(port, { breaker: { ...breaker, openMs: 300, maxOpenMs: 300 } })
    gateway.setRoutes([route])
    const client = await gateway.client()
    const ask = async (answer: string): Promise<number> => {
      client.send(gateway.head(GET))
      ;(await gateway.upstream.request()).wire.send(answer)
      return (await client.message()).status
    }
    const failure = 'HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n'
    for (let i = 0; i < 3; i++) t.equal(await ask(failure), 500)
    client.send(gateway.head(GET))
    const refused = await client.message()
    t.equal(refused.status, 503)
    t.equal(refused.field('retry-after'), '1')
    t.equal(refused.field('proxy-status'), 'waybill; error=destination_unavailable')
    t.match(refused.body, /the upstream of the route r has failed too often/i)
    const health = gateway.pools.health.of(route)
    await until(() => health?.waitMs(performance.now()) === 0, 'the breaker to let a trial pass')
    t.equal(await ask(OK), 200)
    t.equal(await ask(OK), 200)
    const failed = { status: 500, outcome: 'forwarded' } as const
    await gateway.finish(t, [
      failed,
      failed,
      failed,
      { status: 503, outcome: 'upstream_refused', reason: 'breaker_open', upstream: '', upstreamUs: -1 },
      { status: 200 },
      { status: 200 },
    ])
  },
)

t.test('a client that leaves, and an upstream that answers 404, are no failures', async (t) => {
  const gateway = await startGateway(t)
  const breaker = { failsOn: ['5xx', 'reset', 'timeout', 'connect'], minAttempts: 1, windowMs: 1e4 } as const
  const route = testRoute(gateway.upstream.port, {
    breaker: { ...breaker, failureShare: 0.01, openMs: 300, maxOpenMs: 300 },
  })
  gateway.setRoutes([route])
  const leaving = await gateway.client()
  leaving.send(gateway.head(GET))
  const first = await gateway.upstream.request()
  leaving.reset()
  await first.wire.closed()
  const client = await gateway.client()
  client.send(gateway.head(GET))
  ;(await gateway.upstream.request()).wire.send('HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n')
  t.equal((await client.message()).status, 404)
  t.equal(gateway.pools.health.of(route)?.addresses[0]?.state, 'serving')
  await gateway.finish(t, [{ outcome: 'client_closed' }, { status: 404 }])
})

t.test('an upstream that gives no answer in time is one that failed', async (t) => {
  const gateway = await startGateway(t)
  const breaker = { failsOn: ['timeout'], minAttempts: 1, failureShare: 1, windowMs: 1e4 } as const
  const route = testRoute(gateway.upstream.port, {
    headerTimeoutMs: 50,
    breaker: { ...breaker, openMs: 1e5, maxOpenMs: 1e5 },
  })
  gateway.setRoutes([route])
  const client = await gateway.client()
  client.send(gateway.head(GET))
  await gateway.upstream.request()
  t.equal((await client.message()).status, 504)
  t.equal(gateway.pools.health.of(route)?.addresses[0]?.state, 'open')
  await gateway.finish(t, [{ status: 504, reason: 'response_timeout' }])
})

t.test('requests that wait for a place are told when the breaker opens', async (t) => {
  const gateway = await startGateway(t)
  const breaker = { failsOn: ['reset'], minAttempts: 1, failureShare: 1, windowMs: 1e4 } as const
  gateway.setRoutes([
    testRoute(gateway.upstream.port, {
      maxConnections: 1,
      breaker: { ...breaker, openMs: 1e5, maxOpenMs: 1e5 },
    }),
  ])
  const clients = await Promise.all(Array.from({ length: 4 }, () => gateway.client()))
  for (const client of clients) client.send(gateway.head(GET))
  await until(() => gateway.pools.stats[0]?.queued === 3, 'three to wait')
  ;(await gateway.upstream.request()).wire.reset()
  const statuses = await Promise.all(clients.map(async (client) => (await client.message()).status))
  t.same(new Set(statuses), new Set([502, 503]))
  await gateway.quiet()
  t.equal(gateway.entries.filter(({ reason }) => reason === 'breaker_open').length, 3)
})

t.test('a bad answer that took longer than the breaker is open opens it from then on', async (t) => {
  const gateway = await startGateway(t)
  const breaker = { failsOn: ['5xx'], minAttempts: 1, failureShare: 1, windowMs: 1e4 } as const
  const route = testRoute(gateway.upstream.port, { breaker: { ...breaker, openMs: 1e5, maxOpenMs: 1e5 } })
  gateway.setRoutes([route])
  const client = await gateway.client()
  const sentTick = performance.now()
  client.send(gateway.head(GET))
  const asked = await gateway.upstream.request()
  await until(() => performance.now() - sentTick > 50, 'the answer to be slow')
  const answeredTick = performance.now()
  asked.wire.send('HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n')
  t.equal((await client.message()).status, 500)
  const health = gateway.pools.health.of(route)
  t.equal(health?.addresses[0]?.state, 'open')
  // By the moment of the sending it would be shorter by what the answer took.
  t.ok((health?.waitMs(answeredTick) ?? 0) >= 1e5)
})
