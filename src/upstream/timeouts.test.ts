import t from 'tap'
import { startGateway } from '../test/gateway.ts'
import { RawUpstream } from '../test/wire.ts'

const GET = 'GET /r/x HTTP/1.1'
const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'

t.test('a head that does not arrive in time is answered 408', async (t) => {
  const gateway = await startGateway(t, { listener: { headersTimeoutMs: 200 } })
  const client = await gateway.client()
  client.send('GET /r/x HTTP/1.1\r\nHost: g')
  const response = await client.message()
  t.equal(response.status, 408)
  t.equal(response.field('connection'), 'close')
  await client.closed()
  await gateway.finish(t, [
    { outcome: 'bad_request', reason: 'header_timeout', status: 408, clientIp: '127.0.0.1' },
  ])
})

t.test('a connection that asks for nothing is closed without an entry', async (t) => {
  const gateway = await startGateway(t, { listener: { keepAliveTimeoutMs: 200 } })
  const client = await gateway.client()
  await client.closed()
  t.equal(client.text, '')
  await gateway.finish(t, [])
})

t.test('a body that stops coming is answered 408', async (t) => {
  const gateway = await startGateway(t, { routes: [{ idleTimeoutMs: 200 }] })
  const client = await gateway.client()
  client.send(gateway.head('POST /r/x HTTP/1.1', 'Content-Length: 100') + 'half')
  const upstream = await gateway.upstream.connection()
  const response = await client.message()
  t.equal(response.status, 408)
  await upstream.closed()
  await gateway.finish(t, [{ outcome: 'bad_request', reason: 'body_timeout', status: 408, bytesReceived: 4 }])
})

t.test('a body that never begins is answered 408', async (t) => {
  const gateway = await startGateway(t, { routes: [{ idleTimeoutMs: 200 }] })
  const client = await gateway.client()
  client.send(gateway.head('POST /r/x HTTP/1.1', 'Content-Length: 100'))
  t.equal((await client.message()).status, 408)
  await gateway.finish(t, [{ outcome: 'bad_request', reason: 'body_timeout', status: 408 }])
})

t.test('an upstream that does not take a body is answered 504', async (t) => {
  const gateway = await startGateway(t, { routes: [{ idleTimeoutMs: 300 }] })
  const client = await gateway.client()
  client.send(gateway.head('POST /r/x HTTP/1.1', 'Content-Length: 100000000'))
  client.send(Buffer.alloc(1000))
  const upstream = await gateway.upstream.connection()
  await upstream.head()
  upstream.socket.pause()
  client.send(Buffer.alloc(50_000_000))
  const response = await client.message()
  t.equal(response.status, 504)
  upstream.socket.resume()
  await gateway.finish(t, [{ outcome: 'upstream_timeout', reason: 'response_timeout', status: 504 }])
})

for (const method of ['GET', 'POST'] as const) {
  t.test(`an upstream that does not answer is answered 504: ${method}`, async (t) => {
    const gateway = await startGateway(t, { routes: [{ headerTimeoutMs: 200 }] })
    const client = await gateway.client()
    const body = method === 'POST' ? 'hello' : ''
    client.send(gateway.head(`${method} /r/x HTTP/1.1`, `Content-Length: ${body.length}`) + body)
    const { wire } = await gateway.upstream.request()
    const response = await client.message()
    t.equal(response.status, 504)
    t.equal(response.field('proxy-status'), 'waybill; error=http_response_timeout')
    await wire.closed()
    await gateway.finish(t, [{ outcome: 'upstream_timeout', reason: 'response_timeout', status: 504 }])
  })
}

t.test('an upstream that falls silent within a body cuts the response', async (t) => {
  const gateway = await startGateway(t, { routes: [{ idleTimeoutMs: 200 }] })
  const client = await gateway.client()
  client.send(gateway.head(GET))
  const { wire } = await gateway.upstream.request()
  wire.send('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf')
  await client.closed()
  t.ok(client.text.endsWith('half'))
  await wire.closed()
  await gateway.finish(t, [
    { outcome: 'upstream_timeout', reason: 'idle_timeout', status: 200, bytesSent: 4 },
  ])
})

t.test('a client that takes nothing of a response any more is broken off', async (t) => {
  const gateway = await startGateway(t, { routes: [{ idleTimeoutMs: 200 }] })
  const client = await gateway.client()
  client.socket.pause()
  client.send(gateway.head(GET))
  const { wire } = await gateway.upstream.request()
  wire.send('HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n')
  wire.send(Buffer.alloc(50_000_000))
  await wire.closed()
  client.socket.resume()
  await gateway.finish(t, [{ outcome: 'client_closed', reason: 'idle_timeout', status: 200 }])
})

t.test(
  'a response that ends is waited for as long as its client keeps taking it, and no longer',
  async (t) => {
    const gateway = await startGateway(t, { routes: [{ idleTimeoutMs: 200 }] })
    const client = await gateway.client()
    client.socket.pause()
    client.send(gateway.head(GET))
    const { wire } = await gateway.upstream.request()
    const size = 12_000_000
    wire.send(`HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n`)
    wire.send(Buffer.alloc(size))
    await gateway.entry()
    client.socket.resume()
    await gateway.finish(t, [{ outcome: 'client_closed' }])
  },
)

t.test('a full queue is answered 503 at once', async (t) => {
  const gateway = await startGateway(t, { routes: [{ maxConnections: 1, maxQueued: 0 }] })
  const clients = [await gateway.client(), await gateway.client()] as const
  clients[0].send(gateway.head(GET))
  const { wire } = await gateway.upstream.request()
  clients[1].send(gateway.head(GET))
  const response = await clients[1].message()
  t.equal(response.status, 503)
  t.equal(response.field('retry-after'), '1')
  wire.send(OK)
  await clients[0].message()
  await gateway.finish(t, [
    { outcome: 'overloaded', reason: 'queue_full', status: 503, upstream: '' },
    { status: 200 },
  ])
})

t.test('a wait in the queue ends in 503', async (t) => {
  const gateway = await startGateway(t, { routes: [{ maxConnections: 1, headerTimeoutMs: 400 }] })
  const clients = [await gateway.client(), await gateway.client()] as const
  clients[0].send(gateway.head(GET))
  const { wire } = await gateway.upstream.request()
  wire.send('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n')
  await clients[0].head()
  clients[1].send(gateway.head(GET))
  const response = await clients[1].message()
  t.equal(response.status, 503)
  t.match(response.body, 'No connection to the upstream became free in time')
  wire.send('ok')
  await clients[0].take(2)
  await gateway.finish(t, [{ outcome: 'overloaded', reason: 'queue_timeout', status: 503 }, { status: 200 }])
})

t.test('an upstream where nobody listens is answered 502', async (t) => {
  const gone = await RawUpstream.start()
  const { port } = gone
  gone.stop()
  const origin = `http://127.0.0.1:${port}`
  const gateway = await startGateway(t, {
    routes: [{ upstream: { origin, path: '/', authorization: null } }],
  })
  const client = await gateway.client()
  for (let i = 0; i < 3; i++) {
    client.send(gateway.head(GET))
    const response = await client.message()
    t.equal(response.status, 502)
    t.equal(response.field('proxy-status'), 'waybill; error=connection_refused')
    t.notMatch(response.body, String(port))
  }
  const expected = { outcome: 'upstream_refused', reason: 'connection_refused', status: 502 } as const
  await gateway.finish(t, [expected, expected, expected])
})

t.test('an upstream name that does not resolve is answered 502', async (t) => {
  const origin = 'http://nowhere.invalid'
  const gateway = await startGateway(t, {
    routes: [{ upstream: { origin, path: '/', authorization: null } }],
  })
  const client = await gateway.client()
  client.send(gateway.head(GET))
  const response = await client.message()
  t.equal(response.status, 502)
  t.equal(response.field('proxy-status'), 'waybill; error=dns_error')
  await gateway.finish(t, [
    { outcome: 'upstream_refused', reason: 'dns', status: 502, upstream: 'nowhere.invalid' },
  ])
})

t.test('a plain upstream behind https is answered 502', async (t) => {
  const gateway = await startGateway(t)
  gateway.setRoutes(
    gateway.handler.routes.routes.map((route) => ({
      ...route,
      upstream: { ...route.upstream, origin: `https://127.0.0.1:${gateway.upstream.port}` },
    })),
  )
  const client = await gateway.client()
  client.send(gateway.head(GET))
  const upstream = await gateway.upstream.connection()
  upstream.send('HTTP/1.1 400 Bad Request\r\n\r\n')
  const response = await client.message()
  t.equal(response.status, 502)
  await gateway.finish(t, [{ outcome: 'upstream_refused', reason: 'tls', status: 502 }])
})

t.test('an idle client connection is told how long it stays, and ends after that', async (t) => {
  const gateway = await startGateway(t, { listener: { keepAliveTimeoutMs: 1000 } })
  const [idle, other] = [await gateway.client(), await gateway.client()] as const
  const sinceTick = performance.now()
  idle.send(gateway.head(GET))
  ;(await gateway.upstream.request()).wire.send(OK)
  t.equal((await idle.message()).field('keep-alive'), 'timeout=1')
  other.send(gateway.head(GET))
  const { wire } = await gateway.upstream.request()
  await idle.closed()
  t.ok(performance.now() - sinceTick >= 1000)
  t.equal(other.isClosed || other.hasEnded, false, 'one that waits for its answer is not idle')
  wire.send(OK)
  t.equal((await other.message()).status, 200)
  await gateway.finish(t, [{ status: 200 }, { status: 200 }])
})
