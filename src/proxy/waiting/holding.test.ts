import t from 'tap'
import type { TenantGrant } from '../../model/grant.ts'
import { startGateway, testRoute, type TestGateway } from '../../test/gateway.ts'
import { until } from '../../test/wire.ts'

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'
const FAST = { perSecond: 50, burst: 1 }
/** Nothing comes back within a test. */
const EMPTY = { perSecond: 0.001, burst: 1 }

/** A gateway with one route that holds, to whose upstream requests go one after the other, and a tenant with the limits. */
async function scene(
  t: Parameters<typeof startGateway>[0],
  limits: Partial<TenantGrant>,
  { holdMs = 60_000, maxHeld = 100 } = {},
): Promise<TestGateway> {
  const gateway = await startGateway(t, { maxHeld, routes: [{ holdMs, maxConnections: 1 }] })
  gateway.directory.tenant('acme', limits)
  return gateway
}

/** Takes what there is. */
async function exhaust(gateway: TestGateway): Promise<void> {
  const client = await gateway.client()
  client.send(gateway.head('GET /r/first HTTP/1.1'))
  const { wire } = await gateway.upstream.request()
  wire.send(OK)
  await client.message()
}

const isHeld = (gateway: TestGateway, n: number): Promise<void> =>
  until(() => gateway.limiter.holds.size === n, `${n} to be held`)

t.test('a request over its rate is held until the rate lets it pass, in order', async (t) => {
  const gateway = await scene(t, { rateLimit: FAST })
  const clients = []
  for (let n = 0; n < 5; n++) {
    const client = await gateway.client()
    client.send(gateway.head(`GET /r/${n} HTTP/1.1`))
    clients.push(client)
    await until(() => gateway.counters.inFlight === n + 1, 'it to come')
  }
  for (const [n, client] of clients.entries()) {
    const { message, wire } = await gateway.upstream.request()
    t.match(message.startLine, `/${n} `)
    wire.send(OK)
    t.equal((await client.message()).status, 200)
  }
  const { ended, seconds } = gateway.limiter.holds.stats
  t.ok(ended.admitted >= 1 && seconds > 0)
  t.match(gateway.limiter.stats.refusals, { tenant_rate: 0 })
  t.ok(gateway.entries.some(({ heldMs }) => heldMs > 0))
  await gateway.finish(
    t,
    Array.from({ length: 5 }, () => ({ status: 200, outcome: 'forwarded' })),
  )
})

t.test('too many at once wait for those before them', async (t) => {
  const gateway = await scene(t, { maxConcurrency: 1 })
  const [first, second] = [await gateway.client(), await gateway.client()]
  first.send(gateway.head('GET /r/first HTTP/1.1'))
  const { wire } = await gateway.upstream.request()
  second.send(gateway.head('GET /r/second HTTP/1.1'))
  await isHeld(gateway, 1)
  wire.send(OK)
  t.equal((await first.message()).status, 200)
  const next = await gateway.upstream.request()
  t.match(next.message.startLine, '/second')
  next.wire.send(OK)
  t.equal((await second.message()).status, 200)
  await gateway.finish(t, [{ path: '/r/first' }, { path: '/r/second', status: 200 }])
})

t.test('the time in the queue of its upstream counts from when it was let pass', async (t) => {
  const gateway = await scene(t, { maxConcurrency: 2 })
  const clients = [await gateway.client(), await gateway.client(), await gateway.client()]
  for (const [n, client] of clients.entries()) {
    client.send(gateway.head(`GET /r/${n} HTTP/1.1`))
    await until(() => gateway.counters.inFlight === n + 1, 'it to come')
  }
  await isHeld(gateway, 1)
  const tick = performance.now()
  // Of the two that were let pass the second waits for the first one's connection: so does the third, in its place.
  clients[1]?.reset()
  await isHeld(gateway, 0)
  await until(() => gateway.pools.stats[0]?.queued === 1, 'it to wait for a place')
  const waiting = [...gateway.handler.exchanges].find(({ path }) => path === '/r/2')
  t.ok((waiting?.activeTick ?? 0) >= tick)
  for (const n of [0, 2]) {
    const { message, wire } = await gateway.upstream.request()
    t.match(message.startLine, `/${n} `)
    wire.send(OK)
    t.equal((await clients[n]?.message())?.status, 200)
  }
  await gateway.finish(t, [{ outcome: 'client_closed' }, { path: '/r/0' }, { path: '/r/2', status: 200 }])
})

t.test('its time over, it is refused with what a refusal says', async (t) => {
  const gateway = await scene(t, { rateLimit: EMPTY }, { holdMs: 30 })
  await exhaust(gateway)
  const client = await gateway.client()
  client.send(gateway.head('GET /r/second HTTP/1.1'))
  const { status, head } = await client.message()
  t.equal(status, 429)
  t.match(head, /retry-after: \d+/i)
  t.match(gateway.limiter.stats.refusals, { tenant_rate: 1 }, 'counted once')
  await gateway.finish(t, [
    { status: 200, heldMs: 0 },
    { status: 429, outcome: 'rate_limited', reason: 'tenant_rate', upstream: '', upstreamUs: -1 },
  ])
  t.match(gateway.limiter.holds.stats, { held: 0, ended: { refused: 1 } })
})

t.test('a client that leaves leaves the queue', async (t) => {
  const gateway = await scene(t, { rateLimit: EMPTY })
  await exhaust(gateway)
  const client = await gateway.client()
  client.send(gateway.head('GET /r/second HTTP/1.1'))
  await isHeld(gateway, 1)
  client.reset()
  await isHeld(gateway, 0)
  await gateway.finish(t, [{ status: 200 }, { outcome: 'client_closed', status: 499, upstream: '' }])
  t.match(gateway.limiter.holds.stats, { held: 0, ended: { gone: 1 } })
})

t.test('a key that is revoked is held no longer', async (t) => {
  const gateway = await scene(t, { rateLimit: EMPTY })
  await exhaust(gateway)
  const client = await gateway.client()
  client.send(gateway.head('GET /r/second HTTP/1.1'))
  await isHeld(gateway, 1)
  gateway.directory.key(gateway.key, { isRevoked: true })
  gateway.handler.tick(performance.now())
  t.equal((await client.message()).status, 401)
  await isHeld(gateway, 0)
  await gateway.finish(t, [{ status: 200 }, { status: 401, reason: 'revoked_key' }])
})

t.test('a rate that is raised lets pass who is held', async (t) => {
  const gateway = await scene(t, { rateLimit: EMPTY })
  await exhaust(gateway)
  const client = await gateway.client()
  client.send(gateway.head('GET /r/second HTTP/1.1'))
  await isHeld(gateway, 1)
  gateway.directory.tenant('acme', { rateLimit: null })
  const { wire } = await gateway.upstream.request()
  wire.send(OK)
  t.equal((await client.message()).status, 200)
  await gateway.finish(t, [{ status: 200 }, { status: 200 }])
})

t.test('what comes later does not overtake what is held', async (t) => {
  const gateway = await scene(t, { rateLimit: EMPTY })
  await exhaust(gateway)
  const clients = [await gateway.client(), await gateway.client()] as const
  clients[0].send(gateway.head('GET /r/second HTTP/1.1'))
  await isHeld(gateway, 1)
  // One token comes back, and the next request would find it before the queue looks.
  gateway.limiter.evictIdle(performance.now() + 1e9)
  clients[1].send(gateway.head('GET /r/third HTTP/1.1'))
  const { message, wire } = await gateway.upstream.request()
  t.match(message.startLine, '/second')
  wire.send(OK)
  t.equal((await clients[0].message()).status, 200)
  await isHeld(gateway, 1)
  clients[1].reset()
  await gateway.finish(t, [{ status: 200 }, { path: '/r/second' }, { outcome: 'client_closed' }])
})

t.test('what is held waits on through a reload, for the route that it was decided for', async (t) => {
  const gateway = await scene(t, { rateLimit: EMPTY })
  await exhaust(gateway)
  const client = await gateway.client()
  client.send(gateway.head('GET /r/second HTTP/1.1'))
  await isHeld(gateway, 1)
  gateway.setRoutes([testRoute(gateway.upstream.port, { name: 'other', path: '/other/' })])
  gateway.directory.tenant('acme', { rateLimit: null })
  const { message, wire } = await gateway.upstream.request()
  t.match(message.startLine, '/second')
  wire.send(OK)
  t.equal((await client.message()).status, 200)
  await gateway.finish(t, [{ status: 200 }, { status: 200, route: 'r' }])
})

t.test('what is still held when a stop has waited is broken off, and is one entry', async (t) => {
  const gateway = await scene(t, { rateLimit: EMPTY })
  await exhaust(gateway)
  const client = await gateway.client()
  client.send(gateway.head('GET /r/second HTTP/1.1'))
  await isHeld(gateway, 1)
  await gateway.listener.drain(0)
  await isHeld(gateway, 0)
  await gateway.finish(t, [{ status: 200 }, { path: '/r/second', upstream: '', outcome: 'draining' }])
  t.match(gateway.limiter.holds.stats.ended, { gone: 1 })
})

const NOT_HELD: Readonly<Record<string, { line: string; holdMs?: number; maxHeld?: number }>> = {
  'a request that writes': { line: 'PUT /r/second HTTP/1.1\r\nContent-Length: 0' },
  'a route that holds nothing': { line: 'GET /r/second HTTP/1.1', holdMs: 0 },
  'a process that holds nothing': { line: 'GET /r/second HTTP/1.1', maxHeld: 0 },
}

for (const [name, { line, ...options }] of Object.entries(NOT_HELD)) {
  t.test(`${name} is refused at once`, async (t) => {
    const gateway = await scene(t, { rateLimit: EMPTY }, options)
    await exhaust(gateway)
    const client = await gateway.client()
    client.send(gateway.head(line))
    t.equal((await client.message()).status, 429)
    t.match(gateway.limiter.stats.refusals, { tenant_rate: 1 })
    t.match(gateway.limiter.holds.stats.ended, { admitted: 0, refused: 0, gone: 0 })
    await gateway.finish(t, [{ status: 200 }, { status: 429 }])
  })
}

t.test('with no room left a request is refused at once', async (t) => {
  const gateway = await scene(t, { rateLimit: EMPTY }, { maxHeld: 2 })
  await exhaust(gateway)
  const [held, more] = [await gateway.client(), await gateway.client()]
  held.send(gateway.head('GET /r/held HTTP/1.1'))
  await isHeld(gateway, 1)
  more.send(gateway.head('GET /r/more HTTP/1.1'))
  t.equal((await more.message()).status, 429)
  held.reset()
  await gateway.finish(t, [{ status: 200 }, { status: 429, path: '/r/more' }, { outcome: 'client_closed' }])
})

t.test('what is asked in one go on one connection is answered in its order', async (t) => {
  const gateway = await scene(t, { rateLimit: FAST })
  const client = await gateway.client()
  client.send([1, 2, 3].map((n) => gateway.head(`GET /r/${n} HTTP/1.1`)).join(''))
  for (const n of [1, 2, 3]) {
    const { message, wire } = await gateway.upstream.request()
    t.match(message.startLine, `/${n} `)
    wire.send(OK)
    t.equal((await client.message()).status, 200)
  }
  await gateway.finish(t, [{ status: 200 }, { status: 200 }, { status: 200 }])
})
