import t from 'tap'
import type { AccessEntry, ReserveRefusal } from '../model/access-entry.ts'
import { mintKey } from '../model/api-key.ts'
import { startGateway } from '../test/gateway.ts'

const GET = 'GET /r/x HTTP/1.1'
const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'

/** A sink that grants or refuses as it is told, and counts what it promised. */
class TestSink {
  readonly entries: AccessEntry[] = []
  readonly asked: string[] = []
  refusal: ReserveRefusal | null = null

  push(entry: AccessEntry): boolean {
    return this.entries.push(entry) > 0
  }

  reserve(tenant: string): ReserveRefusal | null {
    this.asked.push(tenant)
    return this.refusal
  }
}

for (const reason of ['log_blocked', 'log_full'] as const) {
  t.test(`a strict tenant's request is refused with 503 when the log says ${reason}`, async (t) => {
    const sink = new TestSink()
    const gateway = await startGateway(t, { sink })
    gateway.directory.tenant('acme', { logPolicy: 'strict' })
    const client = await gateway.client()
    sink.refusal = reason
    client.send(gateway.head(GET))
    const refusal = await client.message()
    t.equal(refusal.status, 503)
    t.equal(refusal.field('retry-after'), '1')
    t.equal(refusal.field('content-type'), 'application/problem+json')
    t.match(JSON.parse(refusal.body), { title: 'The access log cannot take this request', status: 503 })
    sink.refusal = null
    client.send(gateway.head(GET))
    ;(await gateway.upstream.request()).wire.send(OK)
    t.equal((await client.message()).status, 200, 'the same connection goes on')
    await gateway.quiet()
    t.match(sink.entries, [
      { tenant: 'acme', outcome: 'log_unavailable', reason, status: 503, standing: 'firm', upstream: '' },
      { tenant: 'acme', outcome: 'forwarded', status: 200, standing: 'held' },
    ])
    t.equal(gateway.limiter.stats.inFlightTenants, 0)
  })
}

t.test('no place is promised to a request that is refused for another reason', async (t) => {
  const sink = new TestSink()
  const gateway = await startGateway(t, {
    sink,
    routes: [{}, { name: 'open', path: '/open/', auth: 'public' }],
  })
  gateway.directory.tenant('acme', { logPolicy: 'strict', rateLimit: { perSecond: 0.001, burst: 1 } })
  const client = await gateway.client()
  const status = async (startLine: string): Promise<number> => {
    client.send(gateway.head(startLine))
    return (await client.message()).status
  }
  client.send(gateway.head(GET))
  ;(await gateway.upstream.request()).wire.send(OK)
  await client.message()
  t.equal(await status(GET), 429)
  t.equal(await status('GET /nowhere HTTP/1.1'), 404)
  client.send(gateway.head('GET /open/x HTTP/1.1'))
  ;(await gateway.upstream.request()).wire.send(OK)
  t.equal((await client.message()).status, 200, 'a public route has no tenant')
  await gateway.quiet()
  t.same(sink.asked, ['acme'])
  t.same(
    sink.entries.map(({ standing }) => standing),
    ['held', 'firm', 'firm', 'firm'],
  )
})

t.test('whoever leaves, the promise is kept: a held entry comes for each place', async (t) => {
  const sink = new TestSink()
  const gateway = await startGateway(t, { sink })
  gateway.directory.tenant('acme', { logPolicy: 'strict' })
  const client = await gateway.client()
  client.send(gateway.head(GET))
  await gateway.upstream.request()
  client.reset()
  await gateway.quiet()
  t.match(sink.entries, [{ outcome: 'client_closed', standing: 'held' }])
})

t.test('other policies ask for nothing; entries of best_effort are loose', async (t) => {
  const sink = new TestSink()
  sink.refusal = 'log_blocked'
  const gateway = await startGateway(t, { sink })
  const key = mintKey()
  gateway.directory.tenant('easy', { logPolicy: 'best_effort' })
  gateway.directory.key(key, { tenant: 'easy' })
  const client = await gateway.client()
  for (const head of [gateway.head(GET), `${GET}\r\nHost: gw\r\nX-Api-Key: ${key.text}\r\n\r\n`]) {
    client.send(head)
    ;(await gateway.upstream.request()).wire.send(OK)
    t.equal((await client.message()).status, 200)
  }
  await gateway.quiet()
  t.same(sink.asked, [])
  t.match(sink.entries, [
    { tenant: 'acme', standing: 'firm' },
    { tenant: 'easy', standing: 'loose' },
  ])
})

t.test('a WebSocket of a strict tenant needs a place, too', async (t) => {
  const sink = new TestSink()
  const gateway = await startGateway(t, { sink })
  gateway.directory.tenant('acme', { logPolicy: 'strict' })
  sink.refusal = 'log_full'
  const client = await gateway.client()
  const upgrade = ['Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13']
  client.send(gateway.head(GET, ...upgrade, 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=='))
  t.equal((await client.message()).status, 503)
  await gateway.quiet()
  t.match(sink.entries, [{ outcome: 'log_unavailable', reason: 'log_full', status: 503 }])
})
