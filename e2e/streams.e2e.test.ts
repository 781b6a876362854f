import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { request as httpRequest, type ServerResponse } from 'node:http'
import { setTimeout as pause } from 'node:timers/promises'
import t from 'tap'
import { assertBalanced, waitForEntries } from './harness/accounting.ts'
import { open, request } from './harness/client.ts'
import { testDatabase } from './harness/database.ts'
import { startGateway, type TestGateway } from './harness/gateway.ts'
import { residentBytes } from './harness/process.ts'
import { generated, startUpstream, type Echo, type TestUpstream } from './harness/upstream.ts'
import { until, untilTrue } from './harness/wait.ts'

const MIB = 1024 ** 2
const LARGE = 200 * MIB
/** What streaming at constant memory may add: socket buffers, and garbage that waits for its collection. */
const MEMORY_SLACK = 100 * MIB
/** More than this on the way means that somebody buffers the body. */
const MAX_ON_THE_WAY = 16 * MIB

t.test('streams', async (t) => {
  const db = await testDatabase(t)
  const live: ServerResponse[] = []
  let openGate = (): void => {}
  const gate = new Promise<void>((resolve) => (openGate = resolve))
  const upstream = await startUpstream(t, {
    '/sse': (_req, res) => {
      res.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' })
      res.write('data: first\n\n')
      live.push(res)
    },
    '/held': async (req, res) => {
      await gate
      let bytes = 0
      for await (const chunk of req as AsyncIterable<Buffer>) bytes += chunk.length
      res.end(String(bytes))
    },
  })
  const gateway = await startGateway(t, {
    databaseUrl: db.url,
    config: {
      routes: [{ name: 'api', kind: 'integration', path: '/api/', upstream: upstream.url }],
      accessLog: { flushIntervalMs: 100 },
    },
  })
  const key = await gateway.mint({ tenant: 'acme', scopes: ['api:*'] })
  const url = `${gateway.proxyUrl}/api`

  await t.test('server-sent events arrive one by one, and a client that leaves is noticed', async (t) => {
    const events = await open(`${url}/sse`, { key })
    const next = async (): Promise<string> => String((await once(events, 'data'))[0])
    t.equal(await next(), 'data: first\n\n', 'the first event is here while the answer goes on')
    t.match(events.headers, { 'content-type': 'text/event-stream' })
    for (const text of ['second', 'third']) {
      live[0]?.write(`data: ${text}\n\n`)
      t.equal(await next(), `data: ${text}\n\n`)
    }
    events.destroy()
    await untilTrue('the upstream sees that the client left', () => upstream.inFlight === 0, {
      // A client that leaves looks like one that has ended its side: it is given 3 s (`proxy.halfClosedIdleMs`).
      timeoutMs: 10_000,
    })
    await waitForEntries(db, 1, { where: `path = '/api/sse'` })
    const [row] = await db.query(
      `SELECT outcome, bytes_sent::int AS n FROM access_log WHERE path = '/api/sse'`,
    )
    t.strictSame(row, {
      outcome: 'client_closed',
      n: 'data: first\n\ndata: second\n\ndata: third\n\n'.length,
    })
  })

  await t.test('a webhook arrives byte for byte, with its signature', async (t) => {
    const body = Buffer.from('{"event" : "pushed",\r\n\t"who":"Zoë \u{1f30d}", "n":1e3, "z":0.10 }\n')
    const signature = createHash('sha256').update(body).digest('hex')
    const headers = {
      'x-api-key': key,
      'content-type': 'application/json; charset=utf-8',
      'X-Hub-Signature-256': `sha256=${signature}`,
      'X-Event-Id': 'evt_1',
    }
    const answer = await request(`${url}/echo?x=%2F&y=a+b`, { method: 'POST', headers, body })
    const echo = JSON.parse(String(answer.body)) as Echo
    t.match(echo, { method: 'POST', url: '/echo?x=%2F&y=a+b', bytes: body.length, sha256: signature })
    const sent = new Map(echo.rawHeaders.flatMap((name, i, all) => (i % 2 === 0 ? [[name, all[i + 1]]] : [])))
    t.equal(sent.get('X-Hub-Signature-256'), `sha256=${signature}`, 'name and value as they were sent')
    t.equal(sent.get('X-Event-Id'), 'evt_1')
    t.equal(sent.get('content-type'), 'application/json; charset=utf-8')
    t.notOk(sent.has('x-api-key'), 'the key stays behind')
  })

  await t.test('a large upload waits for a slow upstream, at constant memory', async (t) => {
    const before = await residentBytes(gateway)
    const req = httpRequest(`${url}/held`, {
      method: 'PUT',
      agent: false,
      headers: { authorization: `Bearer ${key}`, 'content-length': LARGE },
    })
    const responded = once(req, 'response')
    const state = { sent: 0, peak: before }
    const sending = (async () => {
      const block = generated(0, MIB)
      while (state.sent < LARGE) {
        if (!req.write(block)) await once(req, 'drain')
        state.sent += block.length
      }
      req.end()
    })()
    const held = await stoodStill(() => state.sent)
    t.ok(held < MAX_ON_THE_WAY, 'the client is held back while the upstream does not read', { held })
    openGate()
    const sampling = samplePeak(gateway, state, () => state.sent >= LARGE)
    await Promise.all([sending, sampling])
    const [res] = (await responded) as [AsyncIterable<Buffer>]
    let text = ''
    for await (const chunk of res) text += String(chunk)
    t.equal(text, String(LARGE), 'every byte arrived')
    t.ok(state.peak - before < MEMORY_SLACK, 'memory stays flat', { before, peak: state.peak })
    await waitForEntries(db, 1, { where: `path = '/api/held' AND bytes_received = ${LARGE}` })
  })

  await t.test('a large download waits for a slow client, at constant memory', async (t) => {
    const before = await residentBytes(gateway)
    const state = { received: 0, peak: before }
    const sentBefore = (await gateway.metrics()).sum('waybill_proxy_sent_bytes_total')
    const hash = createHash('sha256')
    const res = await open(`${url}/bytes?size=${LARGE}&chunked=1`, { key, timeoutMs: 60_000 })
    await pauseUntilUpstreamHeld(upstream, gateway)
    const sampling = samplePeak(gateway, state, () => state.received >= LARGE)
    for await (const chunk of res as AsyncIterable<Buffer>) {
      state.received += chunk.length
      hash.update(chunk)
    }
    await sampling
    t.equal(state.received, LARGE)
    t.equal(hash.digest('hex'), sha256OfGenerated(LARGE), 'every byte is right')
    t.ok(state.peak - before < MEMORY_SLACK, 'memory stays flat', { before, peak: state.peak })
    await waitForEntries(db, 1, { where: `bytes_sent = ${LARGE}` })
    t.equal((await gateway.metrics()).sum('waybill_proxy_sent_bytes_total') - sentBefore, LARGE)
  })

  await assertBalanced(t, gateway)
})

/** Resolves with a counter's value once it has not moved for a while: what cannot be told by any event. */
async function stoodStill(read: () => number): Promise<number> {
  return until('the counter stands still', async () => {
    const first = read()
    await pause(300)
    return read() === first && first > 0 ? first : undefined
  })
}

/** Lets a client that reads nothing fill whatever buffers there are; memory is the judge of how many. */
async function pauseUntilUpstreamHeld(upstream: TestUpstream, gateway: TestGateway): Promise<void> {
  await untilTrue('the download is under way', () => upstream.inFlight === 1)
  const resident: number[] = []
  await until('memory stands still', async () => {
    resident.push(await residentBytes(gateway))
    await pause(100)
    const last = resident.slice(-4)
    return last.length === 4 && Math.max(...last) - Math.min(...last) < 2 * MIB ? true : undefined
  })
}

async function samplePeak(
  gateway: TestGateway,
  state: { peak: number },
  isOver: () => boolean,
): Promise<void> {
  while (!isOver()) {
    state.peak = Math.max(state.peak, await residentBytes(gateway))
    await pause(20)
  }
}

function sha256OfGenerated(size: number): string {
  const hash = createHash('sha256')
  for (let at = 0; at < size; at += MIB) hash.update(generated(at, Math.min(at + MIB, size)))
  return hash.digest('hex')
}
