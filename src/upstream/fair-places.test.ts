import { connect } from 'node:net'
import t from 'tap'
import { mintKey } from '../model/api-key.ts'
import { sourceOf } from '../model/source-network.ts'
import { startGateway, type TestGateway } from '../test/gateway.ts'
import { until, type Wire } from '../test/wire.ts'

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'

/** Gives a second tenant a key; returns the head of a request of its. */
function secondTenant(
  gateway: TestGateway,
  slug = 'beta',
): (startLine: string, ...fields: string[]) => string {
  const key = mintKey()
  gateway.directory.tenant(slug)
  gateway.directory.key(key, { tenant: slug })
  return (startLine, ...fields) =>
    `${[startLine, 'Host: gw', `Authorization: Bearer ${key.text}`, ...fields].join('\r\n')}\r\n\r\n`
}

async function open(gateway: TestGateway, head: string): Promise<Wire> {
  const client = await gateway.client()
  client.send(head)
  return client
}

t.test('F2: an eighth of a pool stays for others, whatever one tenant asks for', async (t) => {
  const gateway = await startGateway(t, { routes: [{ maxConnections: 16, maxQueued: 64 }] })
  const beta = secondTenant(gateway)
  for (let i = 0; i < 20; i++) await open(gateway, gateway.head('GET /r/x HTTP/1.1'))
  await until(() => gateway.pools.stats[0]?.queued === 6, 'the others of acme to queue')
  t.equal(gateway.pools.stats[0]?.busy, 14)
  for (let i = 0; i < 14; i++) await gateway.upstream.request()
  const client = await open(gateway, beta('GET /r/beta HTTP/1.1'))
  const { wire, message } = await gateway.upstream.request()
  t.match(message.startLine, '/beta')
  wire.send(OK)
  t.equal((await client.message()).status, 200, 'at once, while all of acme waits')
  t.equal(gateway.pools.stats[0]?.queued, 6)
})

t.test('F2: the queue is served round by tenant', async (t) => {
  const gateway = await startGateway(t, { routes: [{ maxConnections: 1 }] })
  const beta = secondTenant(gateway)
  const first = await open(gateway, gateway.head('GET /r/a0 HTTP/1.1'))
  const { wire } = await gateway.upstream.request()
  for (const path of ['a1', 'a2', 'a3']) await open(gateway, gateway.head(`GET /r/${path} HTTP/1.1`))
  await until(() => gateway.pools.stats[0]?.queued === 3, 'acme to queue')
  await open(gateway, beta('GET /r/b1 HTTP/1.1'))
  await until(() => gateway.pools.stats[0]?.queued === 4, 'beta to queue')
  const order: string[] = []
  wire.send(OK)
  await first.message()
  for (let i = 0; i < 4; i++) {
    const next = await gateway.upstream.request()
    order.push(next.message.startLine.split(' ')[1] ?? '')
    next.wire.send(OK)
  }
  t.ok(order.indexOf('/b1') <= 1, `beta is not behind all of acme: ${order.join(' ')}`)
})

t.test('F2: a full queue gives the newest place of who has most to who has less', async (t) => {
  const gateway = await startGateway(t, { routes: [{ maxConnections: 1, maxQueued: 2 }] })
  const beta = secondTenant(gateway)
  const acme: Wire[] = []
  acme.push(await open(gateway, gateway.head('GET /r/a0 HTTP/1.1')))
  const { wire } = await gateway.upstream.request()
  for (const [i, path] of ['a1', 'a2'].entries()) {
    acme.push(await open(gateway, gateway.head(`GET /r/${path} HTTP/1.1`)))
    await until(() => gateway.pools.stats[0]?.queued === i + 1, 'acme to queue')
  }
  const other = await open(gateway, beta('GET /r/b HTTP/1.1'))
  t.equal((await acme[2]?.message())?.status, 503, 'the newest of acme has to go')
  wire.send(OK)
  for (let i = 0; i < 2; i++) (await gateway.upstream.request()).wire.send(OK)
  t.equal((await other.message()).status, 200)
  await gateway.finish(t, [
    { status: 503, outcome: 'overloaded', reason: 'queue_full', upstream: '' },
    { status: 200 },
    { status: 200 },
    { status: 200 },
  ])
})

t.test('F2: a queue of requests that left holds nothing', async (t) => {
  const gateway = await startGateway(t, { routes: [{ maxConnections: 1, maxQueued: 3 }] })
  const first = await open(gateway, gateway.head('GET /r/a HTTP/1.1'))
  const { wire } = await gateway.upstream.request()
  for (let round = 0; round < 5; round++) {
    const leaving = []
    for (let i = 0; i < 3; i++) leaving.push(await open(gateway, gateway.head('GET /r/gone HTTP/1.1')))
    await until(() => gateway.pools.stats[0]?.queued === 3, 'them to queue')
    for (const { socket } of leaving) socket.destroy()
    await until(() => gateway.pools.stats[0]?.queued === 0, 'them to leave')
  }
  const last = await open(gateway, gateway.head('GET /r/last HTTP/1.1'))
  await until(() => gateway.pools.stats[0]?.queued === 1, 'the last to queue')
  wire.send(OK)
  await first.message()
  const { wire: next, message } = await gateway.upstream.request()
  t.match(message.startLine, '/last')
  next.send(OK)
  t.equal((await last.message()).status, 200)
})

const SLOW = { maxAgeMs: 60_000, restMs: 200, slowAfterMs: 300, slowBytesPerSecond: 16_384 }

t.test('F2: an upload that drips gives way once another tenant waits', async (t) => {
  const gateway = await startGateway(t, { routes: [{ maxConnections: 2 }], pool: SLOW })
  const beta = secondTenant(gateway)
  const drips: Wire[] = []
  for (let i = 0; i < 2; i++) {
    drips.push(await open(gateway, `${gateway.head('POST /r/a HTTP/1.1', 'Content-Length: 1000')}x`))
  }
  await until(() => gateway.upstream.all.length === 2, 'both to be sent')
  const client = await open(gateway, beta('GET /r/b HTTP/1.1'))
  await until(() => gateway.upstream.all.length === 3, 'a place for beta')
  gateway.upstream.all[2]?.send(OK)
  t.equal((await client.message()).status, 200)
  await until(() => drips.some(({ text }) => text.includes(' 503 ')), 'one to be told so')
  t.equal(drips.filter(({ text }) => text.includes(' 503 ')).length, 1, 'and no more than needed')
  t.match(gateway.entries, [{ outcome: 'overloaded', reason: 'gave_way', status: 503, tenant: 'acme' }, {}])
})

t.test('F2: a download that its client does not read gives way, one that flows does not', async (t) => {
  const gateway = await startGateway(t, { routes: [{ maxConnections: 2 }], pool: SLOW })
  const beta = secondTenant(gateway)
  const flowing = await open(gateway, gateway.head('GET /r/flows HTTP/1.1'))
  const source = (await gateway.upstream.request()).wire
  source.send('HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n')
  const pump = setInterval(() => source.send(Buffer.alloc(65_536)), 20)
  t.teardown(() => clearInterval(pump))
  const stalled = connect(gateway.port, '127.0.0.1')
  t.teardown(() => stalled.destroy())
  stalled.on('error', () => {})
  stalled.write(gateway.head('GET /r/stalls HTTP/1.1'))
  const second = (await gateway.upstream.request()).wire
  second.send('HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\nabc')
  await until(() => stalled.readableLength > 0, 'the second to begin')
  const client = await open(gateway, beta('GET /r/b HTTP/1.1'))
  const { wire } = await gateway.upstream.request()
  wire.send(OK)
  t.equal((await client.message()).status, 200)
  t.match(gateway.entries[0], { outcome: 'overloaded', reason: 'gave_way', status: 200, bytesSent: 3 })
  t.notOk(flowing.isClosed)
})

t.test('F2: a slow transfer is left alone while its tenant has no more than its share', async (t) => {
  const gateway = await startGateway(t, { routes: [{ maxConnections: 2 }], pool: SLOW })
  const beta = secondTenant(gateway)
  await open(gateway, `${gateway.head('POST /r/a HTTP/1.1', 'Content-Length: 1000')}x`)
  await open(gateway, `${beta('POST /r/b HTTP/1.1', 'Content-Length: 1000')}x`)
  await until(() => gateway.upstream.all.length === 2, 'both to be sent')
  await open(gateway, gateway.head('GET /r/a HTTP/1.1'))
  await until(() => gateway.pools.stats[0]?.queued === 1, 'the third to queue')
  await new Promise((resolve) => setTimeout(resolve, 1500)) // three looks
  t.same(gateway.entries, [])
})

t.test('F2: without a tenant places are shared by source, of IPv6 by the /64', (t) => {
  t.equal(sourceOf('203.0.113.7'), '203.0.113.7')
  t.equal(sourceOf('2001:db8:1:2:3:4:5:6'), sourceOf('2001:db8:1:2::9'))
  t.not(sourceOf('2001:db8:1:2::9'), sourceOf('2001:db8:1:3::9'))
  t.equal(sourceOf('2001:db8::1'), sourceOf('2001:db8:0:0:5::'))
  t.equal(sourceOf('::1'), '0:0:0:0')
  t.equal(sourceOf('1::'), '1:0:0:0')
  t.equal(sourceOf(''), '')
  t.end()
})
