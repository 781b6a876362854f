import t from 'tap'
import { exposeFamilies } from './exposition.ts'
import { Metrics } from './metrics.ts'
import type { FamilySamples, Sample } from './family.ts'
import { countedFamilies, foldTenants, mergeFamilies } from './merge.ts'
import { restingStats } from '../test/metric-sources.ts'
import { workerFamilies } from './worker-families.ts'

function family(merge: string, values: readonly Sample[], type = 'gauge', name = 'x'): FamilySamples {
  return { name, type, help: 'h', merge, values }
}

async function gathered(metrics: Metrics): Promise<FamilySamples[]> {
  const families: FamilySamples[] = []
  for await (const one of metrics.samples()) families.push(one)
  return families
}

t.test('values with the same labels are put together as their family says', async (t) => {
  const of = (merge: string, ...values: number[]): unknown => {
    const processes = values.map((value) => [family(merge, [{ value, labels: { a: '1', b: '2' } }])])
    return mergeFamilies(processes)[0]?.values[0]?.value
  }
  t.equal(of('sum', 1, 2, 4), 7)
  t.equal(of('max', 1, 4, 2), 4)
  t.equal(of('min', 3, 1, 2), 1)
  t.equal(of('first', 3, 1, 2), 3)
  t.equal(of('average', 3, 9), 9, 'of what prom-client would average the worst is shown')
  t.equal(of('parallel', 100, 100), 50, 'two that use up one room alike')
  t.equal(of('parallel', 100, 0), 0)
  t.equal(of('omit', 1, 2), undefined)
  const labels = mergeFamilies([
    [family('sum', [{ value: 1, labels: { a: '1', b: '2' } }])],
    [
      family('sum', [
        { value: 2, labels: { b: '2', a: '1' } },
        { value: 5, labels: { a: '2', b: '1' } },
      ]),
    ],
    [family('sum', [{ value: 7, labels: {}, metricName: 'x_count' }])],
  ])
  t.match(labels[0]?.values, [
    { value: 3, labels: { a: '1', b: '2' } },
    { value: 5, labels: { a: '2', b: '1' } },
    { value: 7, metricName: 'x_count' },
  ])
})

t.test('two processes read as one: counters, histograms, ages, and what is theirs alone', async (t) => {
  const [a, b] = [restingStats(), restingStats()]
  a.countRequest('forwarded', 2)
  b.countRequest('forwarded', 2)
  for (const seconds of [0.05, 7]) a.route.durationBuckets.observe(seconds)
  b.route.durationBuckets.observe(0.5)
  Object.assign(a.stats.writer, { oldestUnflushedAgeMs: 1500 })
  Object.assign(b.stats.writer, { oldestUnflushedAgeMs: 200 })
  Object.assign(a.stats.directory, { keys: 5, ageMs: 10 })
  Object.assign(b.stats.directory, { keys: 4, ageMs: null })
  const options = { tenantLabels: 10, version: '1.2.3' }
  const processes = [
    await gathered(new Metrics(a.sources, options)),
    await gathered(new Metrics(b.sources, options)),
  ]
  const { body } = await exposeFamilies(mergeFamilies(processes), 'text')
  for (const line of [
    'waybill_proxy_requests_total{route="npm",outcome="forwarded",status_class="2xx"} 2',
    'waybill_proxy_request_duration_seconds_bucket{route="npm",le="0.1"} 1',
    'waybill_proxy_request_duration_seconds_bucket{route="npm",le="1"} 2',
    'waybill_proxy_request_duration_seconds_bucket{route="npm",le="+Inf"} 3',
    'waybill_proxy_request_duration_seconds_sum{route="npm"} 7.55',
    'waybill_proxy_request_duration_seconds_count{route="npm"} 3',
    'waybill_writer_oldest_unflushed_age_seconds 1.5',
    'waybill_directory_keys 4',
    'waybill_directory_age_seconds 0.01',
    'waybill_build_info{version="1.2.3"} 1',
  ]) {
    t.ok(body.split('\n').includes(line), line)
  }
  t.match(body, /^process_cpu_seconds_total \d/m)
  t.match(body, /^# TYPE waybill_proxy_request_duration_seconds histogram$/m)
})

t.test('of the exemplars of several processes the newest is told, in OpenMetrics alone', async (t) => {
  const of = (seconds: number, value: number) => ({
    name: 'x_seconds',
    type: 'histogram',
    help: 'h',
    merge: 'sum',
    values: [
      {
        metricName: 'x_seconds_bucket',
        labels: { le: '1' },
        value,
        ...(seconds === 0
          ? {}
          : { exemplar: { labelSet: { trace_id: String(seconds) }, value: 0.5, timestamp: seconds } }),
      },
    ],
  })
  for (const order of [
    [of(1, 1), of(3, 1), of(2, 1), of(0, 1)],
    [of(0, 1), of(3, 1), of(1, 2)],
  ]) {
    const merged = mergeFamilies(order.map((one) => [one]))
    t.equal(
      (await exposeFamilies(merged, 'openmetrics')).body,
      '# HELP x_seconds h\n# TYPE x_seconds histogram\nx_seconds_bucket{le="1.0"} 4 # {trace_id="3"} 0.5 3\n# EOF\n',
    )
    t.match((await exposeFamilies(merged, 'text')).body, /^x_seconds_bucket\{le="1"\} 4$/m)
  }
})

t.test('ages, fills and times of a family without a word of its own would be wrong as sums', async (t) => {
  const { families } = new Metrics(restingStats().sources, { tenantLabels: 1, version: '1' })
  const wrong = families.filter(
    ({ name, type, merge = 'sum' }) => type === 'gauge' && name.endsWith('_seconds') && merge === 'sum',
  )
  t.strictSame(
    wrong.map(({ name }) => name),
    [],
    'a gauge in seconds says how it is merged',
  )
})

t.test('a process that has gone leaves what it counted, and no level', async (t) => {
  const left = countedFamilies([
    family('sum', [{ value: 1, labels: {} }], 'counter', 'counted'),
    family('sum', [{ value: 1, labels: {} }], 'histogram', 'observed'),
    family('sum', [{ value: 1, labels: {} }], 'gauge', 'level'),
    family('omit', [{ value: 1, labels: {} }], 'counter', 'omitted'),
  ])
  t.strictSame(
    left.map(({ name }) => name),
    ['counted', 'observed'],
  )
})

t.test('tenants beyond the cap are summed up after the processes were put together', async (t) => {
  const values = ['a', 'b', 'c', '__other__'].map((tenant, i) => ({ value: 2 ** i, labels: { tenant } }))
  const [folded, other] = foldTenants(
    [family('sum', values, 'counter'), family('sum', [{ value: 1, labels: {} }])],
    (tenant) => tenant === 'b',
  )
  t.strictSame(folded?.values, [
    { value: 2, labels: { tenant: 'b' } },
    { value: 13, labels: { tenant: '__other__' } },
  ])
  t.strictSame(other?.values, [{ value: 1, labels: {} }])
})

t.test("the primary's own families move with what they tell of", async (t) => {
  const worker = { worker: 1, state: 'serving', isReady: true, connections: 3 } as const
  const at = { workers: [], taken: new Map([[1, 0]]), restarts: 0 }
  const before = workerFamilies(at)
  const after = workerFamilies({
    workers: [worker, { ...worker, state: 'leaving', connections: 2 }],
    taken: new Map([[1, 9]]),
    restarts: 1,
  })
  for (const [i, { name, values }] of after.entries()) t.strictNotSame(values, before[i]?.values, name)
  const { body } = await exposeFamilies(after, 'text')
  for (const line of [
    'waybill_workers{state="ready"} 1',
    'waybill_workers{state="leaving"} 1',
    'waybill_workers_connections{worker="1"} 5',
    'waybill_workers_connections_taken_total{worker="1"} 9',
    'waybill_workers_restarts_total 1',
  ]) {
    t.ok(body.split('\n').includes(line), line)
  }
})
