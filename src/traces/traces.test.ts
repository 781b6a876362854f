import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { AccessEntry } from '../model/access-entry.ts'
import { otlpBody } from './otlp.ts'
import { requestSpans } from './request-spans.ts'
import { Traces } from './traces.ts'

const RESOURCE = { version: '1.2.3', instance: 'i' }
/** Spans of a request to the collector, and of each request here. */
const BATCH_SPANS = 256
const ENTRY_SPANS = 4

function entryOf(changes: Partial<AccessEntry>): AccessEntry {
  const span = { id: 'a'.repeat(16), parentId: 'b'.repeat(16), upstreamId: 'c'.repeat(16), sentUs: 100 }
  return Object.assign(new AccessEntry(), {
    startedAtMs: 1_700_000_000_000.5,
    durationUs: 5000,
    upstreamUs: 3000,
    traceId: 'd'.repeat(32),
    method: 'GET',
    route: 'npm',
    status: 200,
    outcome: 'forwarded',
    upstream: '[::1]:4873',
    span,
    ...changes,
  })
}

t.test('the phases of a request lie end to end within it', (t) => {
  const [server, decide, upstream, relay] = requestSpans(entryOf({}))
  t.match(server, {
    spanId: 'a'.repeat(16),
    parentId: 'b'.repeat(16),
    name: 'GET npm',
    kind: 2,
    isError: false,
  })
  t.match(
    [decide, relay],
    [
      { name: 'decide', parentId: server?.spanId },
      { name: 'relay', kind: 1 },
    ],
  )
  t.match(upstream, {
    spanId: 'c'.repeat(16),
    kind: 3,
    attributes: { 'server.address': '[::1]', 'server.port': 4873, 'http.response.status_code': 200 },
  })
  t.equal(decide?.startMs, server?.startMs)
  t.equal(upstream?.startMs, decide?.endMs)
  t.equal(relay?.startMs, upstream?.endMs)
  t.equal(relay?.endMs, server?.endMs)
  t.end()
})

t.test('a request that was refused has no upstream, and one that failed there says why', (t) => {
  const sentUs = -1
  const span = { id: 'a'.repeat(16), parentId: '', upstreamId: 'c'.repeat(16), sentUs }
  const refused = requestSpans(entryOf({ span, status: 404, upstreamUs: -1, upstream: '' }))
  t.strictSame(
    refused.map(({ name }) => name),
    ['GET npm', 'decide'],
  )
  t.equal(refused[1]?.endMs, refused[0]?.endMs)
  const failed = requestSpans(
    entryOf({ status: 502, outcome: 'upstream_refused', reason: 'dns', upstreamUs: -1 }),
  )
  t.strictSame(
    failed.map(({ isError }) => isError),
    [true, false, true],
  )
  t.match(failed[2]?.attributes, { 'error.type': 'dns', 'http.response.status_code': null })
  t.strictSame(requestSpans(entryOf({ span: null })), [], 'outside of a sampled trace there is none')
  t.end()
})

t.test('times of OTLP are whole nanoseconds as texts, and what is empty is left out', (t) => {
  const body = JSON.parse(otlpBody(requestSpans(entryOf({})), { version: '1.2.3', instance: 'i' })) as {
    resourceSpans: { scopeSpans: { spans: Record<string, unknown>[] }[] }[]
  }
  const [server] = body.resourceSpans[0]?.scopeSpans[0]?.spans ?? []
  t.equal(server?.['startTimeUnixNano'], '1700000000000500000')
  t.equal(server?.['endTimeUnixNano'], '1700000000005500000')
  t.notMatch(JSON.stringify(server), 'waybill.tenant')
  t.end()
})

t.test('what a full queue has no room for is dropped and counted, also after the stop', async (t) => {
  const traces = new Traces({
    endpoint: 'http://127.0.0.1:1/v1/traces',
    authorization: '',
    maxSpans: 6,
    resource: () => RESOURCE,
    logger: { warn: () => {}, info: () => {} },
  })
  for (let seq = 1; seq <= 3; seq++) traces.note(entryOf({ seq }))
  t.match(traces.stats, { waiting: 6, dropped: 6 })
  const stored = { instance: 'i', number: 1, entries: 3, range: { firstSeq: 10, lastSeq: 12 } }
  const at = { life: 'i', startMs: 0, endMs: 1 }
  traces.stored(stored, at)
  t.equal(traces.stats.dropped, 6, 'a batch without a sampled request has no span')
  traces.stored({ ...stored, range: { firstSeq: 1, lastSeq: 3 } }, at)
  t.equal(traces.stats.dropped, 7, 'the COPY has one')
  await traces.stop(100)
  t.match(traces.stats, { waiting: 0, dropped: 13, exported: 0 })
  traces.note(entryOf({ seq: 4 }))
  t.match(traces.stats, { waiting: 0, dropped: 17 })
})

t.test('an upstream is told as host and port, and without a port where its address has none', (t) => {
  const cases = [
    ['repo.example.com', 'repo.example.com', null],
    ['repo.example.com:8443', 'repo.example.com', 8443],
    ['127.0.0.1', '127.0.0.1', null],
    ['[2001:db8::80]', '[2001:db8::80]', null],
    ['[2001:db8::80]:80', '[2001:db8::80]', 80],
  ] as const
  for (const [upstream, address, port] of cases) {
    const attributes = requestSpans(entryOf({ upstream })).find(({ kind }) => kind === 3)?.attributes
    t.match(attributes, { 'server.address': address, 'server.port': port }, upstream)
  }
  t.end()
})

t.test('a number that is no whole one never gets to the collector, whatever attribute has it', (t) => {
  for (const n of [Number.NaN, Number.POSITIVE_INFINITY, 0.5, 2 ** 60]) {
    const [span] = requestSpans(entryOf({}))
    const body = otlpBody(span === undefined ? [] : [{ ...span, attributes: { n, whole: 7 } }], RESOURCE)
    t.match(body, '{"key":"whole","value":{"intValue":"7"}}')
    t.notMatch(body, '"key":"n"', String(n))
  }
  t.end()
})

t.test(
  'a COPY that stores what another life left has no span, though its seqs are those of requests here',
  (t) => {
    const { traces } = tracesTo('http://127.0.0.1:1/v1/traces')
    traces.note(entryOf({ seq: 1 }))
    const { waiting } = traces.stats
    const batch = { number: 1, entries: 1, range: { firstSeq: 1, lastSeq: 1 } }
    const at = { life: 'this', startMs: 0, endMs: 1 }
    traces.stored({ ...batch, instance: 'dead' }, at)
    t.equal(traces.stats.waiting, waiting)
    traces.stored({ ...batch, instance: 'this' }, at)
    t.equal(traces.stats.waiting, waiting + 1, 'the request is still there to link to')
    t.end()
  },
)

t.test('of spans that the collector refuses, whole or in part, the log says why, once', async (t) => {
  const partial = { partialSuccess: { rejectedSpans: '3', errorMessage: 'too old' } }
  const cases = [
    {
      status: 400,
      answer: 'bad intValue',
      told: { status: 400, rejected: BATCH_SPANS, reason: 'bad intValue' },
    },
    {
      status: 200,
      answer: JSON.stringify(partial),
      told: { status: 200, rejected: 3, reason: 'too old' },
    },
  ]
  for (const { status, answer, told } of cases) {
    const { traces, lines } = tracesTo(await collector(t, status, answer))
    for (let seq = 1; seq <= (3 * BATCH_SPANS) / ENTRY_SPANS; seq++) traces.note(entryOf({ seq }))
    await traces.stop(60_000)
    t.strictSame(lines, [told])
    const rejected = 3 * told.rejected
    t.match(traces.stats, { rejected, exported: 3 * BATCH_SPANS - rejected, dropped: 0 })
  }
})

function tracesTo(endpoint: string) {
  const lines: object[] = []
  const logger = { warn: (fields: object) => void lines.push(fields), info: () => {} }
  const traces = new Traces({
    endpoint,
    authorization: '',
    maxSpans: 4 * BATCH_SPANS,
    resource: () => RESOURCE,
    logger,
  })
  return { traces, lines }
}

async function collector(t: Test, status: number, answer: string): Promise<string> {
  const server = createServer((request, response) => {
    request.resume().on('end', () => response.writeHead(status).end(answer))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/traces`
}
