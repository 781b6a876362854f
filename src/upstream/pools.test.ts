import t from 'tap'
import { startGateway } from '../test/gateway.ts'
import { until } from '../test/wire.ts'

const GET = 'GET /r/x HTTP/1.1'
const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'

t.test('a connection is reused, and at most so many are open at once', async (t) => {
  const gateway = await startGateway(t, { routes: [{ maxConnections: 2 }] })
  const clients = await Promise.all(Array.from({ length: 6 }, () => gateway.client()))
  for (const client of clients) client.send(gateway.head(GET))
  await until(() => gateway.pools.stats[0]?.queued === 4, 'four to queue')
  for (let i = 0; i < 6; i++) (await gateway.upstream.request()).wire.send(OK)
  for (const client of clients) t.equal((await client.message()).status, 200)
  t.equal(gateway.upstream.all.length, 2)
  await gateway.finish(
    t,
    Array.from({ length: 6 }, () => ({ status: 200 })),
  )
})

for (const [method, tries] of [
  ['GET', 2],
  ['HEAD', 2],
  ['POST', 1],
  ['DELETE', 1],
] as const) {
  t.test(`a kept-alive connection that is reset: ${method} is sent ${tries} times`, async (t) => {
    const gateway = await startGateway(t)
    const client = await gateway.client()
    client.send(gateway.head(GET))
    const { wire } = await gateway.upstream.request()
    wire.send(OK)
    await client.message()
    client.send(gateway.head(`${method} /r/x HTTP/1.1`))
    const second = await gateway.upstream.request()
    t.equal(second.wire, wire, 'the same connection')
    wire.reset()
    if (tries === 2) {
      const third = await gateway.upstream.request()
      t.not(third.wire, wire)
      third.wire.send(OK)
    }
    const response = await client.message({ isHead: method === 'HEAD' })
    t.equal(response.status, tries === 2 ? 200 : 502)
    await gateway.finish(t, [
      { status: 200 },
      tries === 2 ? { status: 200 } : { status: 502, reason: 'connection_reset' },
    ])
  })
}

t.test('a fresh connection that is reset is not tried again', async (t) => {
  const gateway = await startGateway(t)
  const client = await gateway.client()
  client.send(gateway.head(GET))
  const { wire } = await gateway.upstream.request()
  wire.reset()
  t.equal((await client.message()).status, 502)
  t.equal(gateway.upstream.all.length, 1)
  await gateway.finish(t, [{ outcome: 'upstream_reset', reason: 'connection_reset', status: 502 }])
})

t.test('a request is sent a second time, never a third', async (t) => {
  const gateway = await startGateway(t)
  const clients = [await gateway.client(), await gateway.client()] as const
  clients[0].send(gateway.head(GET))
  clients[1].send(gateway.head(GET))
  const both = [await gateway.upstream.request(), await gateway.upstream.request()]
  for (const { wire } of both) wire.send(OK)
  for (const client of clients) await client.message()
  clients[0].send(gateway.head(GET))
  for (let i = 0; i < 2; i++) (await gateway.upstream.request()).wire.reset()
  t.equal((await clients[0].message()).status, 502)
  await gateway.finish(t, [{ status: 200 }, { status: 200 }, { status: 502 }])
})

t.test('a reload lets requests on the old connections finish, queued ones too', async (t) => {
  const gateway = await startGateway(t, { routes: [{ maxConnections: 1 }] })
  const clients = [await gateway.client(), await gateway.client()] as const
  clients[0].send(gateway.head(GET))
  const { wire } = await gateway.upstream.request()
  clients[1].send(gateway.head(GET))
  await until(() => gateway.pools.stats[0]?.queued === 1, 'the second to queue')
  gateway.setRoutes(gateway.handler.routes.routes.map((route) => ({ ...route })))
  wire.send(OK)
  t.equal((await clients[0].message()).status, 200)
  ;(await gateway.upstream.request()).wire.send(OK)
  t.equal((await clients[1].message()).status, 200)
  await until(() => gateway.upstream.open === 0, 'the old connection to end')
  await gateway.finish(t, [{ status: 200 }, { status: 200 }])
})

t.test('when every pool is in use a further origin is answered 503', async (t) => {
  const gateway = await startGateway(t, { routes: [{}, { name: 'other', path: '/o/' }], maxPools: 1 })
  const clients = [await gateway.client(), await gateway.client()] as const
  clients[0].send(gateway.head(GET))
  const { wire } = await gateway.upstream.request()
  clients[1].send(gateway.head('GET /o/x HTTP/1.1'))
  t.equal((await clients[1].message()).status, 503)
  wire.send(OK)
  await clients[0].message()
  clients[1].send(gateway.head('GET /o/x HTTP/1.1'))
  ;(await gateway.upstream.request()).wire.send(OK)
  t.equal((await clients[1].message()).status, 200, 'the idle pool made room')
  await gateway.finish(t, [{ outcome: 'overloaded', status: 503 }, { status: 200 }, { status: 200 }])
})
