import t from 'tap'
import type { RetryRules } from '../../model/upstream/health-rules.ts'
import { startGateway } from '../../test/gateway.ts'
import { RetryCounters } from '../health/retry-counters.ts'
import { retries } from './retries.ts'

const GET = 'GET /r/x HTTP/1.1'
const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'
const BUSY = 'HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy'
const RULES: RetryRules = {
  max: 2,
  on: ['connect', 'reset', 502, 503, 504],
  methods: ['PUT'],
  budgetShare: 1,
  budgetPerSecond: 10,
  minMs: 1,
  maxMs: 2,
}

function start(t: Parameters<typeof startGateway>[0], rules: Partial<RetryRules> = {}) {
  return startGateway(t, {
    routes: [{ retries: { ...RULES, ...rules } }],
    interceptors: [retries({ counters: new RetryCounters() })],
  })
}

t.test(
  'a GET that is answered 503, or broken off, is sent again; its client sees the last answer',
  async (t) => {
    const gateway = await start(t)
    const client = await gateway.client()
    client.send(gateway.head(GET))
    ;(await gateway.upstream.request()).wire.send(BUSY)
    ;(await gateway.upstream.request()).wire.reset()
    ;(await gateway.upstream.request()).wire.send(OK)
    const answer = await client.message()
    t.equal(answer.status, 200)
    t.equal(answer.body, 'ok')
    await gateway.finish(t, [{ status: 200, bytesSent: 2 }])
  },
)

t.test('after the last try the answer is passed on as it is', async (t) => {
  const gateway = await start(t)
  const client = await gateway.client()
  client.send(gateway.head(GET))
  for (let i = 0; i < 3; i++) (await gateway.upstream.request()).wire.send(BUSY)
  const answer = await client.message()
  t.equal(answer.status, 503)
  t.equal(answer.body, 'busy')
  await gateway.finish(t, [{ status: 503, outcome: 'forwarded' }])
})

for (const [line, isRepeated] of [
  ['PUT /r/x HTTP/1.1', true],
  ['DELETE /r/x HTTP/1.1', false],
  ['POST /r/x HTTP/1.1', false],
] as const) {
  t.test(`${line} is sent again: ${isRepeated}`, async (t) => {
    const gateway = await start(t)
    const client = await gateway.client()
    client.send(gateway.head(line, 'Content-Length: 0'))
    ;(await gateway.upstream.request()).wire.send(BUSY)
    if (isRepeated) (await gateway.upstream.request()).wire.send(OK)
    t.equal((await client.message()).status, isRepeated ? 200 : 503)
    await gateway.finish(t, [{ status: isRepeated ? 200 : 503 }])
  })
}

t.test('a body that streams is sent once', async (t) => {
  const gateway = await start(t)
  const client = await gateway.client()
  client.send(gateway.head('PUT /r/x HTTP/1.1', 'Transfer-Encoding: chunked'))
  client.send('1\r\na\r\n0\r\n\r\n')
  ;(await gateway.upstream.request()).wire.send(BUSY)
  t.equal((await client.message()).status, 503)
  await gateway.finish(t, [{ status: 503 }])
})

t.test('without a budget nothing is sent again', async (t) => {
  const gateway = await start(t, { budgetShare: 0, budgetPerSecond: 0 })
  const client = await gateway.client()
  client.send(gateway.head(GET))
  ;(await gateway.upstream.request()).wire.send(BUSY)
  t.equal((await client.message()).status, 503)
  await gateway.finish(t, [{ status: 503 }])
})

t.test('once its head was passed on an answer stands, and a client that leaves ends the tries', async (t) => {
  const gateway = await start(t, { minMs: 60_000, maxMs: 60_000 })
  const client = await gateway.client()
  client.send(gateway.head(GET))
  const { wire } = await gateway.upstream.request()
  wire.send('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok')
  await client.holds('ok')
  wire.reset()
  await client.closed()
  const leaving = await gateway.client()
  leaving.send(gateway.head(GET))
  ;(await gateway.upstream.request()).wire.send(BUSY)
  leaving.reset()
  await gateway.finish(t, [{ status: 200, reason: 'truncated' }, { outcome: 'client_closed' }])
})

t.test('a PUT on a kept connection that ends at that moment is sent again, too', async (t) => {
  const gateway = await start(t)
  const client = await gateway.client()
  for (const [line, isLost] of [
    [GET, false],
    ['PUT /r/x HTTP/1.1', true],
  ] as const) {
    client.send(gateway.head(line, 'Content-Length: 0'))
    if (isLost) (await gateway.upstream.request()).wire.reset()
    ;(await gateway.upstream.request()).wire.send(OK)
    t.equal((await client.message()).status, 200)
  }
  t.equal(gateway.upstream.all.length, 2)
  await gateway.finish(t, [{ status: 200 }, { method: 'PUT', status: 200 }])
})

t.test('kept connections that end one after the other do not have it sent more often', async (t) => {
  const gateway = await start(t, { max: 1 })
  const clients = [await gateway.client(), await gateway.client()]
  const wires = []
  for (const client of clients) {
    client.send(gateway.head(GET))
    wires.push((await gateway.upstream.request()).wire)
  }
  for (const wire of wires) wire.send(OK)
  for (const client of clients) t.equal((await client.message()).status, 200)
  const [client] = clients
  client?.send(gateway.head(GET))
  for (let i = 0; i < 2; i++) (await gateway.upstream.request()).wire.reset()
  t.equal((await client?.message())?.status, 502)
  await gateway.finish(t, [{ status: 200 }, { status: 200 }, { status: 502, outcome: 'upstream_reset' }])
})

t.test(
  'an upstream that asks for a longer wait than may be is not asked again, and its client is told',
  async (t) => {
    const gateway = await start(t, { maxMs: 1000 })
    const client = await gateway.client()
    client.send(gateway.head(GET))
    ;(await gateway.upstream.request()).wire.send(BUSY.replace('Content', 'Retry-After: 2\r\nContent'))
    const { status, head } = await client.message()
    t.equal(status, 503)
    t.match(head, /retry-after: 2/i)
    client.send(gateway.head(GET))
    ;(await gateway.upstream.request()).wire.send(BUSY.replace('Content', 'Retry-After: 0\r\nContent'))
    ;(await gateway.upstream.request()).wire.send(OK)
    t.equal((await client.message()).status, 200)
    await gateway.finish(t, [{ status: 503, outcome: 'forwarded' }, { status: 200 }])
  },
)
