import { readFileSync } from 'node:fs'
import t from 'tap'
import { DROP_REASONS } from '../channel/ledger.ts'
import { Metrics } from './metrics.ts'
import { AUDIT_GAP_KINDS, type AuditGapKind } from '../model/audit/audit.ts'
import { restingStats } from '../test/metric-sources.ts'
import { workerFamilies } from './worker-families.ts'
import { OUTCOME_NAMES } from '../model/outcome.ts'
import {
  CONNECTION_REFUSALS,
  FLUSH_TRIGGERS,
  LIMIT_POLICIES,
  WATCHED_LOOPS,
  WRITER_MODES,
} from '../model/stats.ts'

const VERSION = '1.2.3'

/** The exposition's sample lines by family name. */
async function scrape(metrics: Metrics): Promise<Map<string, string[]>> {
  const { body } = await metrics.expose()
  const families = new Map<string, string[]>()
  let lines: string[] = []
  for (const line of body.split('\n')) {
    const name = /^# HELP (\S+)/.exec(line)?.[1]
    if (name !== undefined) families.set(name, (lines = []))
    else if (line !== '' && !line.startsWith('#')) lines.push(line)
  }
  return families
}

t.test('every family of the product moves when its source does', async (t) => {
  const { stats, route, sources, countRequest, countTenant } = restingStats()
  const metrics = new Metrics(sources, { tenantLabels: 10, version: VERSION })
  const before = await scrape(metrics)

  countRequest('forwarded', 2)
  countTenant('acme', 3, 1)
  Object.assign(route, { bytesReceived: 1, bytesSent: 2 })
  route.durationBuckets.observe(0.05)
  route.upstreamBuckets.observe(0.5)
  Object.assign(stats.proxy, { inFlight: 1, connections: 2, upgradesOpen: 3 })
  stats.limits.refusals.key_rate = 4
  Object.assign(stats.limits, { buckets: 5, inFlightTenants: 6 })
  stats.limits.holds = { held: 7, ended: { admitted: 8, refused: 9, gone: 10 }, seconds: 11 }
  Object.assign(stats.channel, { size: 7, bytes: 8, capacityEntries: 9, capacityBytes: 10 })
  Object.assign(stats.channel, { reserved: 34, isBlocked: true })
  Object.assign(stats.totals, { accepted: 11, stored: 12, buffered: 13, spilled: 27, quarantined: 28 })
  stats.totals.dropped.channel_full = 14
  stats.writer.triggers.size = 15
  Object.assign(stats.writer.copyDurations, { counts: [1, 0, 2], sumMs: 5001 })
  Object.assign(stats.writer, {
    mode: 'copying',
    bytes: 16,
    retries: 17,
    alreadyStored: 18,
    rowMismatches: 1,
    foreign: 2,
  })
  Object.assign(stats.writer, { oldestUnflushedAgeMs: 1500, consecutiveFailures: 19 })
  Object.assign(stats.vitals.canary, { sent: 34, lost: 35, roundTripMs: 36, ageMs: 37 })
  stats.vitals.stuckLoops.push('replay')
  const noGaps = Object.fromEntries(AUDIT_GAP_KINDS.map((kind) => [kind, 0])) as Record<AuditGapKind, number>
  stats.vitals.figures = {
    rollUpsAgeMs: 5000,
    dueSlots: 6,
    keysExpiring: { '1d': 1, '7d': 2, '30d': 3 },
  }
  stats.vitals.isReady = true
  stats.vitals.certificates.push({ name: 'a.example', expiresAtMs: Date.now() })
  stats.vitals.audit = { gaps: { ...noGaps, died: 1 }, ageMs: 38 }
  stats.vitals.events = { sent: 39, lost: { full: 1, given_up: 2, gone: 3 } }
  Object.assign(stats.writer, { replayed: 29, isAway: true })
  Object.assign(stats.writer.spill, {
    bytes: 30,
    maxBytes: 2000,
    pendingEntries: 31,
    refused: 32,
    damaged: 33,
    aside: { segments: 1, batches: 2, files: 3, entries: 4 },
  })
  stats.proxy.refusedConnections.max_per_source = 3
  stats.proxy.ruled.deny = 2
  Object.assign(stats.database, { state: 'there', silentMs: 40 })
  Object.assign(stats.directory, { ageMs: 250, keys: 20, tenants: 21, rules: 4, refreshes: 22, failures: 23 })
  Object.assign(stats.directory, {
    fullLoads: 1,
    notifications: 2,
    isListening: true,
    isRecalled: true,
    keepFailures: 1,
    pendingUses: 3,
    clockOffsetMs: 2,
  })
  stats.droppedLogLines = 39
  stats.tokens.results.refused = 5
  stats.retries.results.sent = 2
  stats.upstreams.states.open = 1
  stats.upstreams.changes.open = 3
  Object.assign(stats.deliveries, {
    accepted: 4,
    attempts: { delivered: 2, failed: 1 },
    tenants: [{ tenant: 'acme', waiting: 3, dead: 1, bytes: 5, oldestMs: 2000 }],
    routes: [{ route: 'hook', held: 2, underWay: 1, breaker: 'open' }],
    fill: { tenant: 0.5, disk: 0.1 },
  })
  Object.assign(stats.idempotency, { underWay: 1 })
  stats.idempotency.results.replayed = 2
  stats.idempotency.ends.kept = 1
  Object.assign(stats.traces, { exported: 1, waiting: 2 })
  Object.assign(stats.pool, { busy: 24, idle: 25, queued: 26 })
  const after = await scrape(metrics)

  for (const { name } of metrics.families) {
    // Its value is its label; it moves with the version that is run.
    if (name === 'waybill_build_info') t.strictSame(after.get(name), [`${name}{version="${VERSION}"} 1`])
    else t.strictNotSame(after.get(name), before.get(name), `${name} moves`)
  }
  t.match(after.get('waybill_proxy_requests_total'), [
    'waybill_proxy_requests_total{route="npm",outcome="forwarded",status_class="1xx"} 0',
    'waybill_proxy_requests_total{route="npm",outcome="forwarded",status_class="2xx"} 1',
  ])
  t.match(after.get('waybill_writer_oldest_unflushed_age_seconds'), [
    'waybill_writer_oldest_unflushed_age_seconds 1.5',
  ])
  t.match(
    after.get('waybill_writer_mode')?.filter((line) => line.endsWith(' 1')),
    ['waybill_writer_mode{mode="copying"} 1'],
  )
  t.strictSame(after.get('waybill_writer_copy_duration_seconds')?.slice(0, 4), [
    'waybill_writer_copy_duration_seconds_bucket{le="0.0025"} 1',
    'waybill_writer_copy_duration_seconds_bucket{le="0.1"} 1',
    'waybill_writer_copy_duration_seconds_bucket{le="+Inf"} 3',
    'waybill_writer_copy_duration_seconds_sum 5.001',
  ])
  t.ok(after.has('process_cpu_seconds_total') && after.has('nodejs_eventloop_lag_seconds'))
})

t.test('a histogram is cumulative, ends in +Inf and agrees with its count', async (t) => {
  const { route, sources } = restingStats()
  for (const seconds of [0.05, 0.1, 0.5, 7]) route.durationBuckets.observe(seconds)
  const families = await scrape(new Metrics(sources, { tenantLabels: 0, version: VERSION }))
  const name = 'waybill_proxy_request_duration_seconds'
  t.strictSame(families.get(name), [
    `${name}_bucket{route="npm",le="0.1"} 2`,
    `${name}_bucket{route="npm",le="1"} 3`,
    `${name}_bucket{route="npm",le="+Inf"} 4`,
    `${name}_sum{route="npm"} 7.65`,
    `${name}_count{route="npm"} 4`,
  ])
})

t.test('tenant labels are off at 0', async (t) => {
  const { sources, countTenant } = restingStats()
  countTenant('acme', 1, 0)
  const metrics = new Metrics(sources, { tenantLabels: 0, version: VERSION })
  t.notMatch((await metrics.expose()).body, /acme|waybill_tenant/)
})

t.test('tenants beyond the cap are summed up, and a tenant keeps the label it has', async (t) => {
  const { sources, countTenant } = restingStats()
  const metrics = new Metrics(sources, { tenantLabels: 2, version: VERSION })
  countTenant('', 1, 0)
  countTenant('acme', 2, 1)
  countTenant('globex', 4, 2)
  await metrics.expose()
  countTenant('aaa', 8, 3)
  countTenant('__other__', 16, 4)
  const families = await scrape(metrics)
  t.strictSame(families.get('waybill_tenant_requests_total'), [
    'waybill_tenant_requests_total{tenant="__none__"} 1',
    'waybill_tenant_requests_total{tenant="acme"} 2',
    'waybill_tenant_requests_total{tenant="__other__"} 28',
  ])
  t.match(
    families.get('waybill_tenant_dropped_total')?.at(-1),
    'waybill_tenant_dropped_total{tenant="__other__"} 9',
  )
})

t.test(
  'the directory has no age before its first load, and requests without a route have a label',
  async (t) => {
    const { sources, route } = restingStats()
    route.route = ''
    const families = await scrape(new Metrics(sources, { tenantLabels: 0, version: VERSION }))
    t.strictSame(families.get('waybill_directory_age_seconds'), [])
    t.match(families.get('waybill_proxy_sent_bytes_total'), [
      'waybill_proxy_sent_bytes_total{route="__none__"} 0',
    ])
  },
)

t.test('docs/metrics.md names exactly the families, types, labels and label values there are', async (t) => {
  const text = readFileSync(documentPath(), 'utf8')
  const documented = [...text.matchAll(/^\| `(waybill_\w+)` +\| (\w+) +\| ([^|]*)\|/gm)].map(
    ([, name, type, labels]) =>
      `${name} ${type} ${[...(labels ?? '').matchAll(/`(\w+)`/g)].map((m) => m[1]).join(',')}`,
  )
  const { sources } = restingStats()
  const families = new Metrics(sources, { tenantLabels: 1, version: VERSION }).families
  const ofPrimary = workerFamilies({ workers: [], taken: new Map([[1, 0]]), restarts: 0 })
  t.strictSame(
    documented.sort(),
    [
      ...families.map(({ name, type, labels }) => `${name} ${type} ${labels.join(',')}`),
      ...ofPrimary.map(({ name, type, values }) => {
        return `${name} ${type} ${Object.keys(values[0]?.labels ?? {}).join(',')}`
      }),
    ].sort(),
  )
  const values: Record<string, readonly string[]> = {
    outcome: OUTCOME_NAMES,
    policy: LIMIT_POLICIES,
    reason: DROP_REASONS,
    cause: CONNECTION_REFUSALS,
    mode: WRITER_MODES,
    loop: WATCHED_LOOPS,
    kind: AUDIT_GAP_KINDS,
    trigger: FLUSH_TRIGGERS,
    state: ['busy', 'idle', 'starting', 'ready', 'not_ready', 'leaving'],
    status_class: ['1xx', '2xx', '3xx', '4xx', '5xx'],
  }
  for (const [label, expected] of Object.entries(values)) {
    const line = new RegExp(`^- \`${label}\`: (.*(?:\\n  .*)*)`, 'm').exec(text)?.[1] ?? ''
    const found = [...line.matchAll(/`(\w+)`/g)].map((match) => match[1])
    t.strictSame(new Set(found), new Set(expected), `values of ${label}`)
  }
})

const OPEN = 'application/openmetrics-text;version=1.0.0'

t.test('OpenMetrics has the same samples, counters by their names, exemplars and an end', async (t) => {
  const { sources, route, countRequest } = restingStats()
  const metrics = new Metrics(sources, { tenantLabels: 0, version: VERSION })
  countRequest('forwarded', 2)
  route.durationBuckets.observe(0.05)
  const own = ({ body }: { body: string }): string[] =>
    body.split('\n').filter((line) => /waybill_(?!.*_age_|clock)/.test(line))
  const before = own(await metrics.expose())
  const traceId = 'a'.repeat(32)
  route.durationBuckets.exemplify({ traceId, spanId: 'b'.repeat(16), seconds: 0.05, atMs: 1_700_000_000_250 })
  t.strictSame(own(await metrics.expose()), before, 'the text format has no exemplars')
  const { contentType, body } = await metrics.expose(OPEN)
  t.equal(contentType, 'application/openmetrics-text; version=1.0.0; charset=utf-8')
  t.ok(body.endsWith('\n# EOF\n'))
  t.notMatch(body, '\n\n')
  t.match(body, /^# TYPE waybill_proxy_requests counter$/m)
  t.match(body, /^waybill_proxy_requests_total\{route="npm",outcome="forwarded",status_class="2xx"\} 1$/m)
  const name = 'waybill_proxy_request_duration_seconds'
  const bucket = `${name}_bucket{route="npm",le="0.1"} 1`
  const exemplar = `{trace_id="${traceId}",span_id="${'b'.repeat(16)}"} 0.05 1700000000.25`
  t.ok(body.split('\n').includes(`${bucket} # ${exemplar}`))
  t.ok(body.split('\n').includes(`${name}_bucket{route="npm",le="1.0"} 1`))
  t.notMatch(body, /^# HELP .*"/m, 'a quotation mark would have to be escaped there')
  const samples = (lines: readonly string[]): string[] => lines.filter((line) => !line.startsWith('#'))
  t.strictSame(
    samples(own({ body })).map((line) => line.replace(/ # .*/, '').replace(/le="(\d+)\.0"/, 'le="$1"')),
    samples(before),
  )
})

t.test('scrapes in both formats at the same time each are of one reading', async (t) => {
  const { sources, stats } = restingStats()
  const metrics = new Metrics(sources, { tenantLabels: 0, version: VERSION })
  const text = metrics.expose()
  const open = metrics.expose(OPEN)
  t.equal(metrics.expose(OPEN), open)
  stats.totals = { ...stats.totals, accepted: 5, stored: 5 }
  t.match((await text).body, /^waybill_channel_accepted_total 0$/m)
  t.match((await text).body, /^waybill_writer_entries_stored_total 0$/m)
  t.match((await open).body, /^waybill_channel_accepted_total 5$/m)
  t.match((await open).body, /^waybill_writer_entries_stored_total 5$/m)
})

t.test('scrapes at the same time are one, and a later one reads anew', async (t) => {
  const { sources, stats } = restingStats()
  const metrics = new Metrics(sources, { tenantLabels: 0, version: VERSION })
  const first = metrics.expose()
  stats.totals = { ...stats.totals, accepted: 5 }
  t.equal(metrics.expose(), first)
  t.match((await first).body, /^waybill_channel_accepted_total 0$/m)
  t.match((await metrics.expose()).body, /^waybill_channel_accepted_total 5$/m)
})

/** The emitted test runs from dist/ or another folder within the repository. */
function documentPath(): URL {
  for (
    let folder = new URL('./', import.meta.url);
    folder.pathname !== '/';
    folder = new URL('../', folder)
  ) {
    const candidate = new URL('docs/metrics.md', folder)
    try {
      readFileSync(candidate)
      return candidate
    } catch {
      // not in this folder
    }
  }
  throw new Error('docs/metrics.md not found')
}
