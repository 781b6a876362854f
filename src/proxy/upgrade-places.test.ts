import t from 'tap'
import { startGateway, type TestGateway } from '../test/gateway.ts'
import { until } from '../test/wire.ts'

const ASK = [
  'Connection: Upgrade',
  'Upgrade: websocket',
  'Sec-WebSocket-Version: 13',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
]
const YES =
  'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n'
const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'

const chat = (gateway: TestGateway): string => gateway.head('GET /r/chat HTTP/1.1', ...ASK)

t.test('A2: upgrades take places of their route, and are refused beyond its bounds', async (t) => {
  const gateway = await startGateway(t, { routes: [{ maxConnections: 1, maxQueued: 0 }] })
  const first = await gateway.client()
  first.send(chat(gateway))
  const { wire } = await gateway.upstream.request()
  wire.send(YES)
  t.equal((await first.message()).status, 101)
  for (let i = 0; i < 4; i++) {
    const client = await gateway.client()
    client.send(chat(gateway))
    t.equal((await client.message()).status, 503)
  }
  const request = await gateway.client()
  request.send(gateway.head('GET /r/x HTTP/1.1'))
  t.equal((await request.message()).status, 503, 'for requests alike')
  t.equal(gateway.upstream.all.length, 1)
  first.reset()
  await until(() => gateway.pools.stats[0]?.busy === 0, 'the place to be free')
  request.send(gateway.head('GET /r/x HTTP/1.1'))
  ;(await gateway.upstream.request()).wire.send(OK)
  t.equal((await request.message()).status, 200)
  const refused = { outcome: 'overloaded', reason: 'queue_full', status: 503 } as const
  await gateway.finish(t, [refused, refused, refused, refused, refused, { status: 101 }, { status: 200 }])
})

t.test('A2: an upgrade that waits too long for a place is told so', async (t) => {
  const gateway = await startGateway(t, { routes: [{ maxConnections: 1, headerTimeoutMs: 300 }] })
  const first = await gateway.client()
  first.send(chat(gateway))
  ;(await gateway.upstream.request()).wire.send(YES)
  await first.message()
  const client = await gateway.client()
  client.send(chat(gateway))
  t.equal((await client.message()).status, 503)
  t.match(await gateway.entry(), { outcome: 'overloaded', reason: 'queue_timeout', upstream: '' })
  t.equal(gateway.pools.stats[0]?.queued, 0)
})

t.test(
  'A2: a queued upgrade gets the place that a request leaves, and one that leaves holds nothing',
  async (t) => {
    const gateway = await startGateway(t, { routes: [{ maxConnections: 1 }] })
    const first = await gateway.client()
    first.send(gateway.head('GET /r/x HTTP/1.1'))
    const { wire } = await gateway.upstream.request()
    const gone = await gateway.client()
    gone.send(chat(gateway))
    await until(() => gateway.pools.stats[0]?.queued === 1, 'it to queue')
    gone.reset()
    await until(() => gateway.pools.stats[0]?.queued === 0, 'it to leave')
    const client = await gateway.client()
    client.send(chat(gateway))
    await until(() => gateway.pools.stats[0]?.queued === 1, 'the next to queue')
    wire.send(OK)
    ;(await gateway.upstream.request()).wire.send(YES)
    t.equal((await client.message()).status, 101)
    client.reset()
    await gateway.finish(t, [{ outcome: 'client_closed', status: 499 }, { status: 200 }, { status: 101 }])
  },
)

for (const [what, answer] of [
  ['refused', 'HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno'],
  ['reset', null],
] as const) {
  t.test(`A2: a handshake that is ${what} by the upstream gives its place back`, async (t) => {
    const gateway = await startGateway(t, { routes: [{ maxConnections: 1, maxQueued: 0 }] })
    for (let i = 0; i < 3; i++) {
      const client = await gateway.client()
      client.send(chat(gateway))
      const { wire } = await gateway.upstream.request()
      if (answer === null) wire.reset()
      else wire.send(answer)
      t.equal((await client.message()).status, answer === null ? 502 : 403)
      await until(() => gateway.pools.stats[0]?.busy === 0, 'the place to be free')
    }
  })
}

t.test(
  'A2: a silent tunnel ends at its limit, one that talks does not; and a long one at its own',
  async (t) => {
    for (const [limits, talks, reason] of [
      [{ upgradeIdleTimeoutMs: 400 }, false, 'idle_timeout'],
      [{ upgradeIdleTimeoutMs: 60_000, upgradeMaxMs: 600 }, true, 'lifetime'],
    ] as const) {
      const gateway = await startGateway(t, { routes: [limits] })
      const client = await gateway.client()
      client.send(chat(gateway))
      const { wire } = await gateway.upstream.request()
      wire.send(YES)
      await client.message()
      const talk = setInterval(() => (talks ? wire.send('x') : undefined), 50)
      t.teardown(() => clearInterval(talk))
      t.match(await gateway.entry(), { outcome: 'forwarded', status: 101, reason })
      clearInterval(talk)
      await until(() => client.hasEnded || client.isClosed, 'the client to be told')
    }
  },
)

t.test('F5: an upgrade behind a request under way is answered after it', async (t) => {
  const gateway = await startGateway(t)
  const client = await gateway.client()
  client.send(gateway.head('GET /r/slow HTTP/1.1') + chat(gateway))
  const first = await gateway.upstream.request()
  t.match(first.message.startLine, '/slow')
  t.equal(gateway.upstream.all.length, 1, 'the upgrade waits')
  first.wire.send(OK)
  t.equal((await client.message()).body, 'ok')
  const second = await gateway.upstream.request()
  t.match(second.message.startLine, '/chat')
  second.wire.send(`${YES}hello`)
  t.equal((await client.message()).status, 101)
  t.equal(await client.take(5), 'hello')
  client.send('there')
  await second.wire.holds('there')
  client.reset()
  await gateway.finish(t, [{ status: 200 }, { status: 101 }])
})

t.test('F5: any other Upgrade behind a request under way is ignored and answered after it', async (t) => {
  const gateway = await startGateway(t)
  const client = await gateway.client()
  const h2c = gateway.head('GET /r/second HTTP/1.1', 'Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c')
  client.send(gateway.head('GET /r/first HTTP/1.1') + h2c + gateway.head('GET /r/third HTTP/1.1'))
  for (const path of ['/first', '/second', '/third']) {
    const { wire, message } = await gateway.upstream.request()
    t.match(message.startLine, path)
    wire.send(OK)
    t.equal((await client.message()).body, 'ok')
  }
  await gateway.finish(t, [{ status: 200 }, { status: 200 }, { status: 200 }])
})

t.test('F5: a client that leaves before an upgrade had its turn leaves one entry for each', async (t) => {
  const gateway = await startGateway(t)
  const client = await gateway.client()
  client.send(gateway.head('GET /r/slow HTTP/1.1') + chat(gateway))
  await gateway.upstream.request()
  client.reset()
  await gateway.finish(t, [{ outcome: 'client_closed' }, { outcome: 'client_closed' }])
})

t.test('F5: after an answer that ends the connection an upgrade gets none, and is recorded', async (t) => {
  const gateway = await startGateway(t, { routes: [{ headerTimeoutMs: 300 }] })
  const client = await gateway.client()
  client.send(gateway.head('GET /r/slow HTTP/1.1') + chat(gateway))
  await gateway.upstream.request()
  t.equal((await client.message()).status, 504, 'nothing hangs past its limit')
  await until(() => gateway.upstream.all.length > 1 || client.hasEnded, 'what follows')
  client.socket.destroy()
  await gateway.finish(t, [{ status: 504 }, {}])
})
