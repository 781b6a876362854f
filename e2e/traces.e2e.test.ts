import { createServer } from 'node:http'
import t, { type Test } from 'tap'
import { assertLedger } from './harness/accounting.ts'
import { request } from './harness/client.ts'
import { testDatabase } from './harness/database.ts'
import { startGateway } from './harness/gateway.ts'
import { closeAtOnce, listenOnLoopback } from './harness/loopback.ts'
import { readSpans, type ReadSpan } from './harness/otlp.ts'
import { startUpstream } from './harness/upstream.ts'
import { until, untilTrue } from './harness/wait.ts'

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736'
const CALLER = '00f067aa0ba902b7'

interface Collector {
  readonly url: string
  readonly spans: ReadSpan[]
  /** Of each request: its field Authorization. */
  readonly authorizations: string[]
  /** What is answered from now on. */
  status: number
}

/** A receiver of OTLP/HTTP that reads bodies by the official definitions, and refuses what does not fit them. */
async function startCollector(t: Test): Promise<Collector> {
  const server = createServer((req, res) => {
    let body = ''
    req.setEncoding('utf8').on('data', (part: string) => {
      body += part
    })
    req.on('end', () => {
      collector.authorizations.push(req.headers.authorization ?? '')
      if (collector.status === 200) collector.spans.push(...readSpans(body))
      res.writeHead(collector.status, { 'content-type': 'application/json' }).end('{"partialSuccess":{}}')
    })
  })
  const port = await listenOnLoopback(t, server)
  t.teardown(() => closeAtOnce(server))
  const collector: Collector = {
    url: `http://127.0.0.1:${port}/v1/traces`,
    spans: [],
    authorizations: [],
    status: 200,
  }
  return collector
}

const routes = (upstream: string): readonly unknown[] => [
  { name: 'open', kind: 'generic', path: '/open/', upstream, auth: 'public' },
]

function traceparent(flags: string): Record<string, string> {
  return { traceparent: `00-${TRACE}-${CALLER}-${flags}` }
}

t.test(
  'a sampled request is a trace, from the caller to the upstream and to the COPY that stored it',
  async (t) => {
    const db = await testDatabase(t)
    const collector = await startCollector(t)
    const forwarded: unknown[] = []
    const upstream = await startUpstream(t, {
      '/ok': (req, res) => {
        forwarded.push(req.headers['traceparent'])
        res.end('ok')
      },
    })
    const gateway = await startGateway(t, {
      databaseUrl: db.url,
      config: {
        routes: routes(upstream.url),
        accessLog: { flushIntervalMs: 50 },
        traces: { endpoint: collector.url, authorization: 'Bearer collector-secret' },
      },
    })
    t.equal((await request(`${gateway.proxyUrl}/open/ok`, { headers: traceparent('01') })).status, 200)
    t.equal((await request(`${gateway.proxyUrl}/open/ok`, { headers: traceparent('00') })).status, 200)
    t.equal((await request(`${gateway.proxyUrl}/open/ok`)).status, 200)
    t.equal((await request(`${gateway.proxyUrl}/nowhere`, { headers: traceparent('01') })).status, 404)
    const copies = (): ReadSpan[] => collector.spans.filter(({ name }) => name === 'COPY access_log')
    await until('both are stored', () =>
      copies().flatMap(({ links }) => links).length >= 2 ? true : undefined,
    )
    const ofTrace = collector.spans.filter(({ traceId }) => traceId === TRACE)
    const servers = ofTrace.filter(({ kind }) => kind === 'SERVER')
    t.strictSame(
      servers.map(({ name, parentSpanId }) => [name, parentSpanId]),
      [
        ['GET open', CALLER],
        ['GET', CALLER],
      ],
      'two are recorded: not those whose caller says no, or nothing',
    )
    const [first] = servers
    const children = ofTrace.filter(({ parentSpanId }) => parentSpanId === first?.spanId)
    t.strictSame(
      children.map(({ name, kind }) => [name, kind]),
      [
        ['decide', 'INTERNAL'],
        ['GET', 'CLIENT'],
        ['relay', 'INTERNAL'],
      ],
    )
    t.equal(forwarded[0], `00-${TRACE}-${children[1]?.spanId}-01`)
    let at = first?.startNs ?? 0n
    for (const { startNs, endNs, name } of children) {
      t.equal(startNs, at, `${name} begins where the one before ended`)
      t.ok(endNs >= startNs)
      at = endNs
    }
    t.equal(at, first?.endNs, 'the phases are all of the request')
    const [row] = await db.query<{ request_id: string; started_ms: number }>(
      `SELECT request_id, extract(epoch FROM started_at) * 1000 AS started_ms FROM access_log
     WHERE trace_id = '${TRACE}' AND route = 'open' ORDER BY started_at LIMIT 1`,
    )
    t.equal(first?.attributes['waybill.request_id'], row?.request_id)
    t.equal(first?.attributes['http.response.status_code'], '200')
    t.match(first?.resource, { 'service.name': 'waybill', 'service.version': /^\d+\./ })
    t.strictSame(
      new Set(copies().flatMap(({ links }) => links.map(({ spanId }) => spanId))),
      new Set(servers.map(({ spanId }) => spanId)),
      'the COPY links to both',
    )
    t.ok(copies().every(({ traceId }) => traceId !== TRACE))
    t.strictSame([...new Set(collector.authorizations)], ['Bearer collector-secret'])
    t.notMatch(JSON.stringify(gateway.log), 'collector-secret')
    const metrics = await gateway.metrics()
    await untilTrue('they are counted', async () => {
      const exported = (await gateway.metrics()).sum('waybill_traces_spans_total', { result: 'exported' })
      return exported === collector.spans.length
    })
    t.equal(metrics.sum('waybill_traces_spans_total', { result: 'dropped' }), 0)
  },
)

t.test(
  'a collector that is away holds up nothing: spans wait within a bound, and a stop is short',
  async (t) => {
    const db = await testDatabase(t)
    const collector = await startCollector(t)
    collector.status = 503
    const upstream = await startUpstream(t)
    const gateway = await startGateway(t, {
      databaseUrl: db.url,
      config: {
        routes: routes(upstream.url),
        accessLog: { flushIntervalMs: 50 },
        traces: { endpoint: collector.url, beginOneIn: 1, maxSpans: 512 },
      },
    })
    for (let i = 0; i < 150; i++) {
      t.equal((await request(`${gateway.proxyUrl}/open/ok`)).status, 200)
    }
    await untilTrue('the rest is dropped', async () => {
      const metrics = await gateway.metrics()
      const dropped = metrics.sum('waybill_traces_spans_total', { result: 'dropped' })
      return dropped >= 600 - 512 && metrics.sum('waybill_traces_waiting_spans') === 512
    })
    await gateway.waitForLog('that it fails', ({ msg }) => msg === 'spans not sent; trying again')
    const begun = performance.now()
    t.equal(await gateway.stop(), 0)
    t.ok(performance.now() - begun < 10_000, 'it stops')
    t.equal(
      (await db.query<{ n: number }>(`SELECT count(*)::int AS n FROM access_log`))[0]?.n,
      150,
      'each request is accounted for',
    )
    await assertLedger(t, db)
  },
)
