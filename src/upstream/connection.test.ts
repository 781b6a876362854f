import t from 'tap'
import { startGateway, type TestGateway } from '../test/gateway.ts'
import { until, type Wire } from '../test/wire.ts'

const GET = 'GET /r/x HTTP/1.1'
const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'

/** Sends a request, answers it with `answer` and gives the upstream's connection that it came on. */
async function exchange(gateway: TestGateway, client: Wire, answer: string, line = GET): Promise<Wire> {
  client.send(gateway.head(line))
  const { wire } = await gateway.upstream.request()
  wire.send(answer)
  await client.message({ isHead: line.startsWith('HEAD') })
  return wire
}

for (const [name, answer, isReused] of [
  ['HTTP/1.1', OK, true],
  ['HTTP/1.1 with close', 'HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok', false],
  [
    'close among other names',
    'HTTP/1.1 200 OK\r\nConnection: X-A, Close\r\nContent-Length: 2\r\n\r\nok',
    false,
  ],
  ['HTTP/1.0', 'HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok', false],
  [
    'HTTP/1.0 with keep-alive',
    'HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 2\r\n\r\nok',
    true,
  ],
  [
    'a long time announced',
    'HTTP/1.1 200 OK\r\nKeep-Alive: timeout=60, max=9\r\nContent-Length: 2\r\n\r\nok',
    true,
  ],
  [
    'a time too short to use',
    'HTTP/1.1 200 OK\r\nKeep-Alive: max=9, timeout=2\r\nContent-Length: 2\r\n\r\nok',
    false,
  ],
  ['chunks', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n', true],
  ['no body', 'HTTP/1.1 204 No Content\r\n\r\n', true],
] as const) {
  t.test(`an upstream connection is ${isReused ? 'kept' : 'closed'}: ${name}`, async (t) => {
    const gateway = await startGateway(t)
    const client = await gateway.client()
    const first = await exchange(gateway, client, answer)
    if (!isReused) await first.closed()
    const second = await exchange(gateway, client, OK)
    t.equal(second === first, isReused)
    await gateway.finish(t, [{ outcome: 'forwarded' }, { outcome: 'forwarded' }])
  })
}

t.test('an idle connection is not used beyond the time that its upstream announced', async (t) => {
  const gateway = await startGateway(t)
  const client = await gateway.client()
  const answer = 'HTTP/1.1 200 OK\r\nKeep-Alive: timeout=3\r\nContent-Length: 2\r\n\r\nok'
  const first = await exchange(gateway, client, answer)
  await first.closed() // the gateway ends it, a margin before the upstream would
  t.not(await exchange(gateway, client, OK), first)
  await gateway.finish(t, [{ status: 200 }, { status: 200 }])
})

t.test('the connection used last is used next, so that those too many run out', async (t) => {
  const gateway = await startGateway(t)
  const clients = [await gateway.client(), await gateway.client()] as const
  for (const client of clients) client.send(gateway.head(GET))
  const a = await gateway.upstream.connection()
  const b = await gateway.upstream.connection()
  for (const wire of [a, b]) {
    await wire.message()
    wire.send(OK)
    await until(() => gateway.pools.stats[0]?.idle === (wire === a ? 1 : 2), 'the connection to be idle')
  }
  for (const client of clients) await client.message()
  for (let i = 0; i < 3; i++) t.equal(await exchange(gateway, clients[0], OK), b)
  await gateway.finish(
    t,
    Array.from({ length: 5 }, () => ({ status: 200 })),
  )
})

t.test('100s that nobody asked for are passed over', async (t) => {
  const gateway = await startGateway(t)
  const client = await gateway.client()
  const interim = 'HTTP/1.1 100 Continue\r\n\r\n'
  client.send(gateway.head('POST /r/x HTTP/1.1', 'Content-Length: 5') + 'hello')
  const { wire } = await gateway.upstream.request()
  wire.send(interim + interim + OK)
  t.equal((await client.message()).startLine, 'HTTP/1.1 200 OK')
  await exchange(gateway, client, OK)
  t.equal(gateway.upstream.all.length, 1, 'the connection stays in step')
  await gateway.finish(t, [{ status: 200 }, { status: 200 }])
})

t.test('interim responses without end become 502', async (t) => {
  const gateway = await startGateway(t)
  const client = await gateway.client()
  client.send(gateway.head('GET /r/x HTTP/1.0'))
  const { wire } = await gateway.upstream.request()
  wire.send(`HTTP/1.1 102 Processing\r\nX: ${'x'.repeat(60_000)}\r\n\r\n`.repeat(5))
  t.equal((await client.message()).status, 502)
  await gateway.finish(t, [{ outcome: 'upstream_reset', reason: 'protocol', status: 502 }])
})

t.test('a head that comes byte by byte is one head', async (t) => {
  const gateway = await startGateway(t)
  const client = await gateway.client()
  client.send(gateway.head(GET))
  const { wire } = await gateway.upstream.request()
  for (const byte of OK) {
    wire.send(byte)
    await new Promise(setImmediate)
  }
  t.equal((await client.message()).body, 'ok')
  t.equal(await exchange(gateway, client, OK), wire)
  await gateway.finish(t, [
    { status: 200, bytesSent: 2 },
    { status: 200, bytesSent: 2 },
  ])
})

t.test('an answer that is whole before its upload is costs its connection, not the client', async (t) => {
  const gateway = await startGateway(t)
  const client = await gateway.client()
  client.send(gateway.head('POST /r/x HTTP/1.1', 'Content-Length: 10') + 'hello')
  const upstream = await gateway.upstream.connection()
  await upstream.holds('hello')
  upstream.send('HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n')
  t.equal((await client.message()).status, 401)
  await upstream.closed()
  client.send('world')
  client.send(gateway.head(GET))
  const next = await gateway.upstream.connection()
  await next.message()
  next.send(OK)
  t.equal((await client.message()).status, 200)
  await gateway.finish(t, [{ status: 401 }, { status: 200 }])
})

t.test('any bytes pass in a whole small body', async (t) => {
  const gateway = await startGateway(t)
  const client = await gateway.client()
  const bytes = Array.from({ length: 256 }, (_, byte) => String.fromCharCode(byte)).join('')
  const head = `HTTP/1.1 200 OK\r\nX-Latin: \xe9\r\nContent-Length: 256\r\n\r\n`
  client.send(gateway.head(GET))
  ;(await gateway.upstream.request()).wire.send(head + bytes)
  const response = await client.message()
  t.equal(response.body, bytes)
  t.equal(response.field('x-latin'), '\xe9')
  await gateway.finish(t, [{ status: 200, bytesSent: 256 }])
})

t.test('a whole small answer to a pipelined request waits for its turn', async (t) => {
  const gateway = await startGateway(t)
  const client = await gateway.client()
  client.send(gateway.head('GET /r/1 HTTP/1.1') + gateway.head('GET /r/2 HTTP/1.1'))
  const requests = [await gateway.upstream.request(), await gateway.upstream.request()]
  const of = (path: string): Wire | undefined =>
    requests.find(({ message }) => message.startLine.includes(path))?.wire
  of('/2')?.send('HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n2')
  await until(() => gateway.pools.stats[0]?.idle === 1, 'the second answer')
  of('/1')?.send('HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1')
  t.equal((await client.message()).body, '1')
  t.equal((await client.message()).body, '2')
  await gateway.finish(t, [{ path: '/r/1' }, { path: '/r/2' }])
})

t.test('a key that was used a moment ago is refused once it is revoked', async (t) => {
  const gateway = await startGateway(t)
  const client = await gateway.client()
  for (let i = 0; i < 3; i++) await exchange(gateway, client, OK)
  gateway.directory.key(gateway.key, { isRevoked: true })
  client.send(gateway.head(GET))
  t.equal((await client.message()).status, 401)
  gateway.directory.keys.clear()
  gateway.directory.replace()
  client.send(gateway.head(GET))
  t.equal((await client.message()).status, 401)
  await gateway.finish(t, [
    { status: 200 },
    { status: 200 },
    { status: 200 },
    { status: 401, reason: 'revoked_key' },
    { status: 401, reason: 'unknown_key' },
  ])
})
