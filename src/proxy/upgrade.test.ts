import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { WebSocket, WebSocketServer } from 'ws'
import { startGateway, type TestGateway } from '../test/gateway.ts'
import { until } from '../test/wire.ts'

const ASK = [
  'Connection: Upgrade',
  'Upgrade: websocket',
  'Sec-WebSocket-Version: 13',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
]
const YES =
  'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n'

async function tunnel(gateway: TestGateway) {
  const client = await gateway.client()
  client.send(gateway.head('GET /r/chat?room=1 HTTP/1.1', ...ASK))
  const { wire, message } = await gateway.upstream.request()
  wire.send(`${YES}\r\n`)
  const response = await client.message()
  return { client, upstream: wire, message, response }
}

t.test('a real WebSocket client and server talk through the gateway, one entry for all of it', async (t) => {
  const server = createServer()
  const sockets = new WebSocketServer({ server })
  sockets.on('connection', (socket) => socket.on('message', (data) => socket.send(data)))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const gateway = await startGateway(t, {
    routes: [{ upstream: { origin, path: '/', authorization: null } }],
  })
  const socket = new WebSocket(`ws://127.0.0.1:${gateway.port}/r/echo`, {
    headers: { 'X-Api-Key': gateway.key.text },
  })
  await once(socket, 'open')
  t.equal(gateway.counters.upgradesOpen, 1)
  for (const size of [5, 70_000]) {
    socket.send('x'.repeat(size))
    const [data] = (await once(socket, 'message')) as [Buffer]
    t.equal(data.length, size)
  }
  socket.close()
  await once(socket, 'close')
  await gateway.finish(t, [{ outcome: 'forwarded', status: 101, reason: null, tenant: 'acme' }])
  t.ok((gateway.entries[0]?.bytesSent ?? 0) > 70_000)
  t.ok((gateway.entries[0]?.bytesReceived ?? 0) > 70_000)
})

t.test('an upgrade follows the header policy and counts its bytes', async (t) => {
  const gateway = await startGateway(t)
  const { client, upstream, message, response } = await tunnel(gateway)
  t.equal(message.startLine, 'GET /chat?room=1 HTTP/1.1')
  t.equal(message.field('authorization'), null)
  t.equal(message.field('upgrade'), 'websocket')
  t.equal(message.field('x-forwarded-for'), '127.0.0.1')
  t.equal(message.field('via'), '1.1 waybill-test')
  t.equal(message.field('host'), `127.0.0.1:${gateway.upstream.port}`)
  t.equal(message.fields.filter(([name]) => name === 'host').length, 1)
  t.equal(response.status, 101)
  t.ok(response.field('x-request-id'))
  client.send('ping')
  await upstream.holds('ping')
  upstream.send('pong!')
  await client.holds('pong!')
  client.end()
  await upstream.closed()
  upstream.end()
  await gateway.finish(t, [{ status: 101, outcome: 'forwarded', bytesReceived: 4, bytesSent: 5 }])
})

for (const [who, how] of [
  ['client', 'end'],
  ['client', 'reset'],
  ['upstream', 'end'],
  ['upstream', 'reset'],
] as const) {
  t.test(`a tunnel ends on both sides when the ${who} ends it: ${how}`, async (t) => {
    const gateway = await startGateway(t)
    const ends = await tunnel(gateway)
    ends[who][how]()
    await ends[who === 'client' ? 'upstream' : 'client'].closed()
    ends[who === 'client' ? 'upstream' : 'client'].end()
    await gateway.finish(t, [{ status: 101 }])
  })
}

t.test('upgrades are refused as requests are, framed, and nothing reaches the upstream', async (t) => {
  const gateway = await startGateway(t, {
    routes: [{}, { name: 'limited', path: '/l/', rateLimit: { perSecond: 0.01, burst: 1 } }],
  })
  const ask = async (head: string, status: number): Promise<void> => {
    const client = await gateway.client()
    client.send(head)
    const response = await client.message()
    t.equal(response.status, status)
    t.equal(response.field('content-type'), 'application/problem+json')
    await client.closed()
  }
  await ask(`GET /r/x HTTP/1.1\r\nHost: gw\r\n${ASK.join('\r\n')}\r\n\r\n`, 401)
  await ask(gateway.head('GET /nowhere HTTP/1.1', ...ASK), 404)
  await ask(gateway.head('GET /r/%2e%2e/x HTTP/1.1', ...ASK), 400)
  await ask(gateway.head('GET http://169.254.169.254/latest HTTP/1.1', ...ASK), 404)
  t.equal(gateway.upstream.all.length, 0)
  const client = await gateway.client()
  client.send(gateway.head('GET /l/x HTTP/1.1', ...ASK))
  const { wire } = await gateway.upstream.request()
  wire.send(`${YES}\r\n`)
  await client.message()
  await ask(gateway.head('GET /l/x HTTP/1.1', ...ASK), 429)
  client.reset()
  await gateway.finish(t, [
    { outcome: 'unauthenticated', status: 401, reason: 'missing_key' },
    { outcome: 'no_route', status: 404 },
    { outcome: 'bad_request', reason: 'path', status: 400 },
    { outcome: 'no_route', status: 404, host: '169.254.169.254' },
    { outcome: 'rate_limited', status: 429 },
    { status: 101 },
  ])
})

t.test('an absolute target of an upgrade is routed by its path and never dialled', async (t) => {
  const gateway = await startGateway(t)
  const client = await gateway.client()
  client.send(gateway.head('GET http://other.example/r/x HTTP/1.1', ...ASK))
  const { wire, message } = await gateway.upstream.request()
  t.equal(message.startLine, 'GET /x HTTP/1.1')
  wire.send(`${YES}\r\n`)
  t.equal((await client.message()).status, 101)
  client.reset()
  await gateway.finish(t, [{ status: 101, host: 'other.example' }])
})

for (const [name, bytes, body] of [
  ['Content-Length', 'HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\nX-Why: no\r\n\r\nno', 'no'],
  [
    'chunks',
    'HTTP/1.1 403 Forbidden\r\nTransfer-Encoding: chunked\r\nX-Why: no\r\n\r\n2\r\nno\r\n0\r\n\r\n',
    'no',
  ],
  ['no body', 'HTTP/1.1 426 Upgrade Required\r\nContent-Length: 0\r\nX-Why: no\r\n\r\n', ''],
] as const) {
  t.test(`an answer that is no 101 is relayed whole, and is no tunnel: ${name}`, async (t) => {
    const gateway = await startGateway(t)
    const client = await gateway.client()
    client.send(gateway.head('GET /r/x HTTP/1.1', ...ASK))
    const { wire } = await gateway.upstream.request()
    wire.send(bytes)
    const response = await client.message()
    t.equal(response.status, name === 'no body' ? 426 : 403)
    t.equal(response.body, body)
    t.equal(response.field('x-why'), 'no')
    t.equal(response.field('connection'), 'close')
    await client.closed()
    t.equal(client.text, response.field('content-length') === null ? body : '')
    client.send('GET /smuggled HTTP/1.1\r\n\r\n')
    client.end()
    await gateway.finish(t, [{ outcome: 'forwarded', status: response.status, bytesSent: body.length }])
    t.notMatch(wire.text, 'smuggled')
  })
}

t.test('a refusal that the upstream cuts short is cut short', async (t) => {
  const gateway = await startGateway(t)
  const client = await gateway.client()
  client.send(gateway.head('GET /r/x HTTP/1.1', ...ASK))
  const { wire } = await gateway.upstream.request()
  wire.send('HTTP/1.1 403 Forbidden\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n')
  await client.holds('no')
  wire.reset()
  await client.closed()
  t.equal(client.errorCode, 'ECONNRESET')
  await gateway.finish(t, [{ outcome: 'upstream_reset', reason: 'truncated', status: 403 }])
})

t.test('a client that is reset during the handshake harms nobody', async (t) => {
  const gateway = await startGateway(t)
  const client = await gateway.client()
  client.send(gateway.head('GET /r/x HTTP/1.1', ...ASK))
  const { wire } = await gateway.upstream.request()
  client.reset()
  await wire.closed()
  wire.send(`${YES}\r\n`)
  await gateway.finish(t, [{ outcome: 'client_closed', status: 499 }])
})

t.test('an upstream that never answers an upgrade is answered 504', async (t) => {
  const gateway = await startGateway(t, { routes: [{ headerTimeoutMs: 200 }] })
  const client = await gateway.client()
  client.send(gateway.head('GET /r/x HTTP/1.1', ...ASK))
  const { wire } = await gateway.upstream.request()
  t.equal((await client.message()).status, 504)
  await wire.closed()
  await gateway.finish(t, [{ outcome: 'upstream_timeout', reason: 'response_timeout', status: 504 }])
})

t.test('a refusal of any size is relayed as fast as its client takes it', async (t) => {
  const size = 5_000_000
  const gateway = await startGateway(t)
  const client = await gateway.client()
  client.send(gateway.head('GET /r/x HTTP/1.1', ...ASK))
  const { wire } = await gateway.upstream.request()
  client.socket.pause()
  wire.send(`HTTP/1.1 403 Forbidden\r\nContent-Length: ${size}\r\n\r\n`)
  wire.send(Buffer.alloc(size, 'n'))
  await until(() => [...gateway.handler.exchanges].some((one) => one.isClientBlocked), 'the client to block')
  client.socket.resume()
  const response = await client.message()
  t.equal(response.body.length, size)
  t.ok(response.field('date'))
  await client.closed()
  await gateway.finish(t, [{ outcome: 'forwarded', status: 403, bytesSent: size }])
})

t.test('a client that leaves within a refusal is told of as one that leaves within any answer', async (t) => {
  const gateway = await startGateway(t)
  const client = await gateway.client()
  client.send(gateway.head('GET /r/x HTTP/1.1', ...ASK))
  const { wire } = await gateway.upstream.request()
  wire.send('HTTP/1.1 403 Forbidden\r\nContent-Length: 10\r\n\r\nhalf')
  await client.holds('half')
  client.reset()
  await wire.closed()
  await gateway.finish(t, [{ outcome: 'client_closed', status: 403, bytesSent: 4 }])
})

for (const how of ['reset', 'end'] as const) {
  t.test(`an upstream that leaves during the handshake is answered 502: ${how}`, async (t) => {
    const gateway = await startGateway(t)
    const client = await gateway.client()
    client.send(gateway.head('GET /r/x HTTP/1.1', ...ASK))
    const { wire } = await gateway.upstream.request()
    wire[how]()
    t.equal((await client.message()).status, 502)
    await gateway.finish(t, [{ outcome: 'upstream_reset', reason: 'connection_reset', status: 502 }])
  })
}

t.test('a revoked key ends its tunnels', async (t) => {
  const gateway = await startGateway(t)
  const { client, upstream } = await tunnel(gateway)
  gateway.directory.key(gateway.key, { isRevoked: true, version: 2 })
  await client.closed()
  await upstream.closed()
  await gateway.finish(t, [{ outcome: 'unauthenticated', reason: 'revoked_key', status: 101 }])
})

t.test("bytes that come together with the handshake are the tunnel's", async (t) => {
  const gateway = await startGateway(t)
  const client = await gateway.client()
  client.send(`${gateway.head('GET /r/x HTTP/1.1', ...ASK)}early`)
  const { wire } = await gateway.upstream.request()
  wire.send(`${YES}\r\nhello`)
  await client.message()
  await client.holds('hello')
  await wire.holds('early')
  client.reset()
  await gateway.finish(t, [{ status: 101, bytesReceived: 5 }])
})

for (const offer of ['h2c', 'TLS/1.0', 'websocket, h2c', 'foo']) {
  t.test(`an offer of ${offer} is ignored and the request served`, async (t) => {
    const gateway = await startGateway(t)
    const client = await gateway.client()
    client.send(
      gateway.head(
        'POST /r/x HTTP/1.1',
        'Connection: Upgrade, HTTP2-Settings',
        `Upgrade: ${offer}`,
        'HTTP2-Settings: AAMAAABk',
        'Content-Length: 5',
      ) + 'hello',
    )
    const { wire, message } = await gateway.upstream.request()
    t.equal(message.body, 'hello')
    t.equal(message.field('upgrade'), null)
    wire.send('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
    const answer = await client.message()
    t.equal(answer.body, 'ok')
    // From Node 24.9 on such an answer is the last of its connection.
    const next = answer.field('connection') === 'close' ? await gateway.client() : client
    next.send(gateway.head('GET /r/x HTTP/1.1'))
    ;(await gateway.upstream.request()).wire.send('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
    t.equal((await next.message()).body, 'ok')
    await gateway.finish(t, [{ status: 200, bytesReceived: 5 }, { status: 200 }])
  })
}

for (const body of ['Content-Length: 5', 'Transfer-Encoding: chunked'] as const) {
  for (const offer of ['h2c', 'websocket'] as const) {
    t.test(`what comes behind an ignored ${offer} with ${body} is answered, or the end said`, async (t) => {
      const gateway = await startGateway(t)
      const client = await gateway.client()
      const text = body.startsWith('Content') ? 'hello' : '5\r\nhello\r\n0\r\n\r\n'
      const first = gateway.head('GET /r/first HTTP/1.1', 'Connection: Upgrade', `Upgrade: ${offer}`, body)
      client.send(first + text + gateway.head('GET /r/second HTTP/1.1'))
      const { wire, message } = await gateway.upstream.request()
      t.equal(message.body, 'hello')
      t.equal(message.field('upgrade'), null)
      wire.send('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
      const answer = await client.message()
      t.equal(answer.body, 'ok')
      if (answer.field('connection') === 'close') {
        await until(() => client.hasEnded, 'the end')
        await gateway.finish(t, [{ status: 200 }])
        return
      }
      ;(await gateway.upstream.request()).wire.send('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
      t.equal((await client.message()).body, 'ok')
      await gateway.finish(t, [{ status: 200 }, { status: 200 }])
    })
  }
}

t.test('tunnels count for concurrency until they end', async (t) => {
  const gateway = await startGateway(t)
  gateway.directory.tenant('acme', { maxConcurrency: 1, version: 2 })
  const { client } = await tunnel(gateway)
  const other = await gateway.client()
  other.send(gateway.head('GET /r/x HTTP/1.1'))
  t.equal((await other.message()).status, 429)
  client.reset()
  await until(() => gateway.limiter.stats.inFlightTenants === 0, 'the release')
  other.send(gateway.head('GET /r/x HTTP/1.1'))
  ;(await gateway.upstream.request()).wire.send('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
  t.equal((await other.message()).status, 200)
  await gateway.finish(t, [{ status: 429, reason: 'tenant_concurrency' }, { status: 101 }, { status: 200 }])
})
