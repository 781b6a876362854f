import t from 'tap'
import { startGateway } from '../test/gateway.ts'
import { dial, until } from '../test/wire.ts'

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'
const GET = 'GET /r/x HTTP/1.1'

t.test('a drain ends idle connections, finishes what is in flight and serves what was sent', async (t) => {
  const gateway = await startGateway(t)
  const [idle, busy, piping] = [await gateway.client(), await gateway.client(), await gateway.client()]
  idle.send(gateway.head(GET))
  ;(await gateway.upstream.request()).wire.send(OK)
  await idle.message()
  busy.send(gateway.head('GET /r/busy HTTP/1.1'))
  const slow = await gateway.upstream.request()
  piping.send(gateway.head('GET /r/piping HTTP/1.1'))
  const other = await gateway.upstream.request()
  const drained = gateway.listener.drain(10_000)
  t.equal(gateway.listener.drain(1), drained, 'a second call is the same drain')
  await idle.closed()
  await t.rejects(dial(gateway.port), { code: 'ECONNREFUSED' })
  const late = gateway.head('GET /r/late HTTP/1.1')
  piping.send(late)
  const hasArrived = (): boolean =>
    [...gateway.handler.exchanges].some(({ connection }) => connection.socket.bytesRead > 1.5 * late.length)
  await until(hasArrived, 'the late request')
  other.wire.send(OK)
  const before = await piping.message()
  t.match([before.status, before.field('connection')], [200, 'keep-alive'])
  ;(await gateway.upstream.request()).wire.send(OK)
  const last = await piping.message()
  t.match([last.status, last.field('connection')], [200, 'close'])
  slow.wire.send(OK)
  t.equal((await busy.message()).status, 200)
  await busy.closed()
  await piping.closed()
  t.equal(await drained, true)
  await gateway.finish(t, [{ status: 200 }, {}, {}, {}])
  t.same(gateway.entries.map(({ path, status }) => `${path} ${status}`).sort(), [
    '/r/busy 200',
    '/r/late 200',
    '/r/piping 200',
    '/r/x 200',
  ])
})

t.test('what is in flight at the deadline is broken off and recorded', async (t) => {
  const gateway = await startGateway(t)
  const clients = [await gateway.client(), await gateway.client(), await gateway.client()] as const
  clients[0].send(gateway.head(GET))
  const first = await gateway.upstream.request()
  clients[1].send(gateway.head(GET))
  const second = await gateway.upstream.request()
  second.wire.send('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf')
  await clients[1].holds('half')
  clients[2].send(gateway.head('POST /r/x HTTP/1.1', 'Content-Length: 100') + 'half')
  await until(() => gateway.counters.inFlight === 3, 'the upload')
  t.equal(await gateway.listener.drain(100), false)
  for (const client of clients) await client.closed()
  await first.wire.closed()
  await second.wire.closed()
  await gateway.entry(3)
  await gateway.finish(t, [{}, {}, {}])
  t.ok(
    gateway.entries.every(({ outcome }) => outcome === 'draining'),
    gateway.entries.map(({ outcome }) => outcome).join(),
  )
})

t.test('an answer to a request in flight tells its client that the connection ends', async (t) => {
  const gateway = await startGateway(t)
  const client = await gateway.client()
  client.send(gateway.head(GET))
  const { wire } = await gateway.upstream.request()
  const drained = gateway.listener.drain(10_000)
  await until(() => gateway.handler.isRetiring, 'the port to be closed')
  wire.send(OK)
  const response = await client.message()
  t.equal(response.field('connection'), 'close')
  await client.closed()
  t.equal(await drained, true)
  await gateway.finish(t, [{ status: 200 }])
})

t.test('a connection that has asked for nothing yet does not hold up a drain', async (t) => {
  const gateway = await startGateway(t)
  const silent = await gateway.client()
  const halfway = await gateway.client()
  halfway.send('GET /r/x HT')
  await until(() => gateway.counters.connections === 2, 'both connections')
  await gateway.listener.drain(300)
  await silent.closed()
  await halfway.closed()
  await gateway.finish(t, [])
})

t.test('a drain without requests is clean at once', async (t) => {
  const gateway = await startGateway(t)
  t.equal(await gateway.listener.drain(10_000), true)
})

t.test('a sink that throws neither harms the response nor the count', async (t) => {
  const gateway = await startGateway(t, {
    sink: {
      push: () => {
        throw new Error('the sink broke')
      },
      reserve: () => null,
    },
  })
  const client = await gateway.client()
  for (let i = 0; i < 2; i++) {
    client.send(gateway.head(GET))
    ;(await gateway.upstream.request()).wire.send(OK)
    t.equal((await client.message()).status, 200)
  }
  await until(() => gateway.reports.length === 2, 'the reports')
  t.equal(new Set(gateway.reportedIds).size, 2, 'each says of which request')
  t.notOk(gateway.reportedIds.includes(undefined))
  await gateway.finish(t, [], { reports: 2 })
})

t.test(
  'a directory that throws is answered 500, with an entry, and the next request is served',
  async (t) => {
    const gateway = await startGateway(t)
    const client = await gateway.client()
    const { snapshot } = gateway.directory
    gateway.directory.snapshot = {
      keyCount: 0,
      signingKeys: [],
      keyById: () => undefined,
      tenants: new Map(),
      keyByDigest: () => {
        throw new Error('the directory broke')
      },
    }
    client.send(gateway.head(GET))
    const response = await client.message()
    t.equal(response.status, 500)
    t.notMatch(response.body, 'directory')
    gateway.directory.snapshot = snapshot
    const next = await gateway.client()
    next.send(gateway.head(GET))
    ;(await gateway.upstream.request()).wire.send(OK)
    t.equal((await next.message()).status, 200)
    await gateway.finish(t, [{ outcome: 'internal', status: 500 }, { status: 200 }], { reports: 1 })
    t.strictSame(gateway.reportedIds, [gateway.entries[0]?.requestId], 'the report says of which request')
  },
)

t.test('a directory that throws in a handshake is answered 500 with an entry', async (t) => {
  const gateway = await startGateway(t)
  gateway.directory.snapshot = {
    keyCount: 0,
    signingKeys: [],
    keyById: () => undefined,
    tenants: new Map(),
    keyByDigest: () => {
      throw new Error('the directory broke')
    },
  }
  const client = await gateway.client()
  client.send(gateway.head(GET, 'Connection: Upgrade', 'Upgrade: websocket'))
  t.equal((await client.message()).status, 500)
  await gateway.finish(t, [{ outcome: 'internal', status: 500 }], { reports: 1 })
})

for (const hasPlainPath of [true, false]) {
  const path = hasPlainPath ? 'plain' : "by Node's server"

  t.test(`F7: what comes on a kept connection after a drain has begun is served, ${path}`, async (t) => {
    const gateway = await startGateway(t, { listener: { hasPlainPath, drainIdleMs: 60_000 } })
    const [kept, fresh] = [await gateway.client(), await gateway.client()]
    kept.send(gateway.head(GET))
    ;(await gateway.upstream.request()).wire.send(OK)
    t.equal((await kept.message()).field('connection'), 'keep-alive')
    await until(() => gateway.counters.connections === 2, 'both connections')
    const drained = gateway.listener.drain(10_000)
    await until(() => gateway.handler.isRetiring, 'the port to be closed')
    for (const client of [kept, fresh]) {
      client.send(gateway.head(GET))
      ;(await gateway.upstream.request()).wire.send(OK)
      const message = await client.message()
      t.match([message.status, message.field('connection')], [200, 'close'])
      await client.closed()
    }
    t.equal(await drained, true)
    await gateway.finish(t, [{ status: 200 }, { status: 200 }, { status: 200 }])
  })

  t.test(`F7: pipelined requests of before a drain are all served, the last ends it, ${path}`, async (t) => {
    const gateway = await startGateway(t, { listener: { hasPlainPath } })
    const client = await gateway.client()
    client.send([1, 2, 3].map((n) => gateway.head(`GET /r/${n} HTTP/1.1`)).join(''))
    const requests = [
      await gateway.upstream.request(),
      await gateway.upstream.request(),
      await gateway.upstream.request(),
    ]
    const drained = gateway.listener.drain(10_000)
    await until(() => gateway.handler.isRetiring, 'the port to be closed')
    for (const { wire } of requests) wire.send(OK)
    const ends = []
    for (const _ of requests) ends.push((await client.message()).field('connection'))
    t.same(ends, ['keep-alive', 'keep-alive', 'close'])
    t.equal(await drained, true)
    await gateway.finish(t, [{ status: 200 }, { status: 200 }, { status: 200 }])
  })

  t.test(
    `R25: a listener that retires goes on accepting, each answer ends its connection, ${path}`,
    async (t) => {
      const gateway = await startGateway(t, { listener: { hasPlainPath } })
      gateway.listener.retire()
      for (let i = 0; i < 3; i++) {
        const client = await gateway.client()
        client.send(gateway.head(GET))
        ;(await gateway.upstream.request()).wire.send(OK)
        t.equal((await client.message()).field('connection'), 'close')
        await client.closed()
      }
      await gateway.finish(t, [{ status: 200 }, { status: 200 }, { status: 200 }])
    },
  )

  t.test(
    `F10: connections that never sent a byte stay as long as idle ones, and end one by one, ${path}`,
    async (t) => {
      const limits = { headersTimeoutMs: 200, keepAliveTimeoutMs: 2000 }
      const gateway = await startGateway(t, { listener: { hasPlainPath, ...limits } })
      const clients = await Promise.all(Array.from({ length: 40 }, () => gateway.client()))
      const tick = performance.now()
      const ends = await Promise.all(
        clients.map(async (client) => {
          await until(() => client.isClosed || client.hasEnded, 'its end')
          return performance.now() - tick
        }),
      )
      t.ok(Math.min(...ends) >= limits.keepAliveTimeoutMs, `${Math.min(...ends)} ms`)
      const patience = [...gateway.listener.open].map((connection) => connection.patience)
      t.ok(patience.length === 0, 'all have ended')
      await gateway.finish(t, [])
    },
  )
}

t.test('F10: the times after which idle connections end are spread', async (t) => {
  const gateway = await startGateway(t)
  for (let i = 0; i < 40; i++) await gateway.client()
  await until(() => gateway.counters.connections === 40, 'all connections')
  const patience = [...gateway.listener.open].map((connection) => connection.patience)
  t.ok(Math.min(...patience) >= 1 && Math.max(...patience) <= 1.25, patience.join())
  t.ok(Math.max(...patience) - Math.min(...patience) > 0.05)
  await gateway.finish(t, [])
})

t.test('a drain does not wait for the tunnel that a handshake under way becomes', async (t) => {
  const gateway = await startGateway(t)
  const client = await gateway.client()
  client.send(gateway.head(GET, 'Connection: Upgrade', 'Upgrade: websocket'))
  const { wire } = await gateway.upstream.request()
  const drained = gateway.listener.drain(10_000)
  wire.send('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello')
  await client.closed()
  await wire.closed()
  t.equal(await drained, true)
  await gateway.finish(t, [{ status: 101, outcome: 'forwarded', reason: null, bytesSent: 0 }])
})

t.test('a WebSocket that comes while a drain is under way is refused', async (t) => {
  const gateway = await startGateway(t)
  const client = await gateway.client()
  await until(() => gateway.counters.connections === 1, 'the connection')
  void gateway.listener.drain(10_000)
  client.send(gateway.head(GET, 'Connection: Upgrade', 'Upgrade: websocket'))
  t.equal((await client.message()).status, 503)
  await gateway.finish(t, [{ outcome: 'draining', status: 503 }])
})
