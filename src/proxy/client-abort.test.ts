import t from 'tap'
import { startGateway } from '../test/gateway.ts'
import { until } from '../test/wire.ts'

const GET = 'GET /r/x HTTP/1.1'
const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'

for (const how of ['reset', 'end'] as const) {
  t.test(`a client that leaves before the response head: ${how}`, async (t) => {
    const gateway = await startGateway(t)
    const client = await gateway.client()
    client.send(gateway.head(GET))
    const upstream = await gateway.upstream.connection()
    await upstream.message()
    client[how === 'reset' ? 'reset' : 'end']()
    if (how === 'end') client.socket.destroy()
    await upstream.closed()
    await gateway.finish(t, [
      { outcome: 'client_closed', status: 499, bytesSent: 0, upstreamUs: -1, tenant: 'acme' },
    ])
  })

  t.test(`a client that leaves in the middle of a download: ${how}`, async (t) => {
    const gateway = await startGateway(t)
    const client = await gateway.client()
    client.send(gateway.head(GET))
    const upstream = await gateway.upstream.connection()
    await upstream.message()
    upstream.send('HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\nsome')
    await client.holds('some')
    if (how === 'reset') client.reset()
    else client.socket.destroy()
    await upstream.closed()
    await gateway.finish(t, [{ outcome: 'client_closed', status: 200, bytesSent: 4 }])
  })

  t.test(`a client that leaves in the middle of an upload: ${how}`, async (t) => {
    const gateway = await startGateway(t)
    const client = await gateway.client()
    client.send(gateway.head('POST /r/x HTTP/1.1', 'Transfer-Encoding: chunked') + '5\r\nhello\r\n')
    const upstream = await gateway.upstream.connection()
    await upstream.holds('hello')
    if (how === 'reset') client.reset()
    else client.socket.destroy()
    await upstream.closed()
    t.notMatch(upstream.text, /\r\n0\r\n/, 'the half upload is never completed')
    await gateway.finish(t, [{ outcome: 'client_closed', status: 499, bytesReceived: 5 }])
  })
}

t.test('a client that half-closes in the middle of an upload has left', async (t) => {
  const gateway = await startGateway(t)
  const client = await gateway.client()
  client.send(gateway.head('POST /r/x HTTP/1.1', 'Content-Length: 100') + 'half')
  const upstream = await gateway.upstream.connection()
  await upstream.holds('half')
  client.end()
  await upstream.closed()
  await gateway.finish(t, [{ outcome: 'client_closed', bytesReceived: 4 }])
})

t.test('a queued client that leaves costs no connection and its request is never sent', async (t) => {
  const gateway = await startGateway(t, { routes: [{ maxConnections: 1, maxQueued: 2 }] })
  const clients = [await gateway.client(), await gateway.client(), await gateway.client()] as const
  clients[0].send(gateway.head('GET /r/first HTTP/1.1'))
  const { wire } = await gateway.upstream.request()
  clients[1].send(gateway.head('GET /r/leaves HTTP/1.1'))
  await until(() => gateway.pools.stats[0]?.queued === 1, 'the second to queue')
  clients[2].send(gateway.head('GET /r/stays HTTP/1.1'))
  await until(() => gateway.pools.stats[0]?.queued === 2, 'the third to queue')
  clients[1].reset()
  await gateway.entry(1)
  t.equal(gateway.pools.stats[0]?.queued, 1)
  wire.send(OK)
  t.equal((await clients[0].message()).status, 200)
  const next = await gateway.upstream.request()
  t.match(next.message.startLine, '/stays')
  next.wire.send(OK)
  t.equal((await clients[2].message()).status, 200)
  await gateway.finish(t, [
    { outcome: 'client_closed', status: 499, path: '/r/leaves' },
    { status: 200, path: '/r/first' },
    { status: 200, path: '/r/stays' },
  ])
})

t.test('places in the queue that were left can be taken again', async (t) => {
  const gateway = await startGateway(t, { routes: [{ maxConnections: 1, maxQueued: 1 }] })
  const first = await gateway.client()
  first.send(gateway.head(GET))
  const { wire } = await gateway.upstream.request()
  for (let i = 0; i < 3; i++) {
    const client = await gateway.client()
    client.send(gateway.head(GET))
    await until(() => gateway.pools.stats[0]?.queued === 1, 'the client to queue')
    client.reset()
    await gateway.entry(i + 1)
  }
  wire.send(OK)
  await first.message()
  await gateway.finish(t, [{ status: 499 }, { status: 499 }, { status: 499 }, { status: 200 }])
})

t.test('pipelined requests are answered in order, one entry each', async (t) => {
  const gateway = await startGateway(t)
  const client = await gateway.client()
  client.send([1, 2, 3].map((n) => gateway.head(`GET /r/${n} HTTP/1.1`)).join(''))
  const requests = [
    await gateway.upstream.request(),
    await gateway.upstream.request(),
    await gateway.upstream.request(),
  ]
  for (const { wire, message } of requests.toReversed()) {
    const name = /\/(\d)/.exec(message.startLine)?.[1] ?? ''
    wire.send(`HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n${name}`)
  }
  t.same(
    [(await client.message()).body, (await client.message()).body, (await client.message()).body],
    ['1', '2', '3'],
  )
  await gateway.finish(t, [{ path: '/r/1' }, { path: '/r/2' }, { path: '/r/3' }])
})

t.test('a client that leaves with pipelined requests pending leaves one entry each', async (t) => {
  const gateway = await startGateway(t)
  const client = await gateway.client()
  client.send([1, 2, 3].map((n) => gateway.head(`GET /r/${n} HTTP/1.1`)).join(''))
  const requests = [
    await gateway.upstream.request(),
    await gateway.upstream.request(),
    await gateway.upstream.request(),
  ]
  const third = requests.find(({ message }) => message.startLine.includes('/3'))
  third?.wire.send(OK)
  await until(() => [...gateway.handler.exchanges].some(({ status }) => status === 200), 'the third answer')
  client.reset()
  for (const { wire, message } of requests) if (!message.startLine.includes('/3')) await wire.closed()
  await gateway.entry(3)
  gateway.entries.sort((a, b) => (a.path < b.path ? -1 : 1))
  await gateway.finish(t, [
    { path: '/r/1', outcome: 'client_closed', status: 499 },
    { path: '/r/2', outcome: 'client_closed', status: 499 },
    { path: '/r/3', outcome: 'client_closed' },
  ])
})

t.test('what is malformed behind a request under way is refused after its answer', async (t) => {
  const gateway = await startGateway(t)
  const client = await gateway.client()
  client.send(`${gateway.head(GET)}BROKEN\r\n\r\n`)
  const { wire } = await gateway.upstream.request()
  client.send('more of it')
  wire.send(OK)
  t.equal((await client.message()).body, 'ok')
  t.equal((await client.message()).status, 400)
  await client.closed()
  await gateway.finish(t, [{ status: 200 }, { status: 400, reason: 'framing' }])
})

t.test(
  'what is malformed behind the last answer is recorded, and does not break that answer off',
  async (t) => {
    const gateway = await startGateway(t)
    const client = await gateway.client()
    client.send(`${gateway.head(GET)}BROKEN\r\n\r\n`)
    const { wire } = await gateway.upstream.request()
    gateway.listener.retire()
    wire.send(OK)
    const message = await client.message()
    t.match([message.body, message.field('connection')], ['ok', 'close'])
    await gateway.entry(2)
    t.equal(
      gateway.counters.connections,
      1,
      'what still comes is read: unread it would make a reset of the end',
    )
    await client.closed()
    t.equal(client.text, '')
    await gateway.finish(t, [
      { status: 200 },
      { status: 400, outcome: 'bad_request', reason: 'framing', bytesSent: 0 },
    ])
  },
)

t.test('a thousand aborted downloads leave nothing behind', async (t) => {
  const gateway = await startGateway(t, {
    routes: [{ maxConnections: 64, maxQueued: 64 }],
    listener: { maxConnections: 4096 },
  })
  const body = Buffer.alloc(256 * 1024)
  const one = async (): Promise<void> => {
    const client = await gateway.client()
    client.socket.once('data', () => client.reset())
    client.send(gateway.head(GET))
    await until(() => client.isClosed, 'the abort')
  }
  const state = { isOver: false }
  const serve = (async () => {
    while (!state.isOver) {
      await until(
        () => state.isOver || gateway.upstream.all.some((wire) => wire.text.includes('\r\n\r\n')),
        'requests',
      )
      for (const wire of gateway.upstream.all) {
        if (wire.text === '' || wire.isClosed) continue
        wire.text = ''
        wire.send('HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n')
        wire.send(body)
      }
    }
  })()
  for (let round = 0; round < 20; round++) {
    await Promise.all(Array.from({ length: 50 }, one))
    gateway.upstream.all.splice(
      0,
      gateway.upstream.all.length,
      ...gateway.upstream.all.filter((w) => !w.isClosed && !w.hasEnded),
    )
  }
  state.isOver = true
  await serve
  await gateway.entry(1000)
  await gateway.quiet()
  const idle = (): number => gateway.pools.stats[0]?.idle ?? 0
  // A connection whose request was given up while it was being made is kept for the next one.
  await until(() => gateway.upstream.open === idle(), `upstream connections to end, ${gateway.upstream.open}`)
  t.ok(idle() <= 64, `${idle()} idle connections`)
  await gateway.finish(
    t,
    Array.from({ length: 1000 }, () => ({ outcome: 'client_closed' as const })),
  )
})
