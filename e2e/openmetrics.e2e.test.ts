import { tmpdir } from 'node:os'
import t, { type Test } from 'tap'
import { runCommand } from './harness/child.ts'
import { request } from './harness/client.ts'
import { askPrometheus, startPrometheus } from './harness/prometheus.ts'
import { directScene } from './harness/scene.ts'
import { until } from './harness/wait.ts'

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736'
const UNRECORDED = '5bf92f3577b34da6a3ce929d0e0e4736'
const OPENMETRICS = 'application/openmetrics-text;version=1.0.0'
const DURATION = 'waybill_proxy_request_duration_seconds'
const UPSTREAM = 'waybill_proxy_upstream_duration_seconds'

/** Reads OpenMetrics by the rules of its specification: prints the samples that have an exemplar, and throws at what is none. */
const READER = `
import json, sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families
found = []
for family in text_string_to_metric_families(sys.stdin.read()):
    for sample in family.samples:
        if sample.exemplar:
            found.append({'name': sample.name, 'route': sample.labels['route'], 'le': sample.labels['le'],
                          'value': sample.exemplar.value, 'trace': sample.exemplar.labels['trace_id']})
print(json.dumps(found))
`

interface FoundExemplar {
  readonly name: string
  readonly route: string
  readonly le: string
  readonly value: number
  readonly trace: string
}

/** Debian's packages are for Debian's Python, which need not be the first in the path. */
const PYTHONS = ['python3', '/usr/bin/python3']

function runPython(python: string, code: string, input = '') {
  return runCommand(python, ['-c', code], { cwd: tmpdir(), input, timeoutMs: 60_000 })
}

/** A Python that has the reference parser of OpenMetrics; null where none has. */
async function findParser(t: Test): Promise<string | null> {
  for (const python of PYTHONS) {
    const tried = await runPython(python, 'import prometheus_client.openmetrics.parser').catch(() => null)
    if (tried?.code === 0) return python
  }
  t.comment('NOT RUN: python3-prometheus-client is not on this machine (make e2e-deps installs it)')
  return null
}

for (const workers of [1, 2]) {
  t.test(`a gateway of ${workers} tells in OpenMetrics which traces its latencies are of`, async (t) => {
    const { gateway } = await directScene(t, {
      config: {
        workers,
        metrics: { tenantLabels: 5 },
        // Nobody listens there: what is recorded is an exemplar whether or not a collector takes it.
        traces: { endpoint: 'http://127.0.0.1:1/v1/traces' },
      },
    })
    const ask = async (trace: string, flags: string): Promise<void> => {
      const headers = { traceparent: `00-${trace}-00f067aa0ba902b7-${flags}` }
      t.equal((await request(`${gateway.proxyUrl}/open/ok`, { headers })).status, 200)
    }
    await ask(TRACE, '01')
    await ask(UNRECORDED, '00')

    const plain = await fetch(`${gateway.adminUrl}/metrics`, { headers: { connection: 'close' } })
    t.match(plain.headers.get('content-type'), 'text/plain; version=0.0.4')
    t.notMatch(await plain.text(), TRACE)

    const headers = { accept: OPENMETRICS, connection: 'close' }
    const open = await fetch(`${gateway.adminUrl}/metrics`, { headers })
    t.match(open.headers.get('content-type'), 'application/openmetrics-text; version=1.0.0')
    const text = await open.text()
    t.match(text, /^waybill_proxy_requests_total\{route="open",outcome="forwarded",status_class="2xx"\} 2$/m)
    const python = await findParser(t)
    if (python !== null) {
      const { code, stdout, stderr } = await runPython(python, READER, text)
      t.equal(code, 0, 'the reference parser takes it', { stderr })
      const exemplars = JSON.parse(stdout === '' ? '[]' : stdout) as FoundExemplar[]
      const names = new Set(exemplars.map(({ name }) => name))
      t.strictSame(names, new Set([`${DURATION}_bucket`, `${UPSTREAM}_bucket`]))
      for (const { route, le, value, trace } of exemplars) {
        t.strictSame([route, trace], ['open', TRACE])
        t.ok(value > 0 && value <= Number(le.replace('+Inf', 'Infinity')), 'it lies in its bucket')
      }
    }

    const prometheus = await startPrometheus(t, { target: new URL(gateway.adminUrl).host })
    if (prometheus === null) return
    // By what the gateway says of the moment, in either direction.
    const around = (seconds: number): string => String(Date.now() / 1000 + seconds)
    const found = await until('Prometheus keeps it', async () => {
      const query = { query: `${DURATION}_bucket`, start: around(-3600), end: around(3600) }
      const series = await askPrometheus<{ exemplars: { labels: { trace_id: string } }[] }[]>(
        prometheus,
        'query_exemplars',
        query,
      ).catch(() => [])
      return series.length > 0 ? series : undefined
    })
    t.strictSame(
      found.flatMap((each) => each.exemplars.map(({ labels }) => labels.trace_id)),
      [TRACE],
    )
  })
}
