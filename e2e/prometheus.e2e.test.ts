import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { runCommand } from './harness/child.ts'
import { request } from './harness/client.ts'
import { projectFolder } from './harness/product.ts'
import { programFor } from './harness/program.ts'
import { seriesFound, startPrometheus } from './harness/prometheus.ts'
import { directScene } from './harness/scene.ts'
import { startUpstream } from './harness/upstream.ts'
import { untilTrue } from './harness/wait.ts'

/** It opens a database of its own for each test of a rule: 9 s of a core. */
const TIMEOUT_MS = 120_000

const folder = join(projectFolder(), 'deploy/prometheus')
const rules = join(folder, 'rules.yml')

/** Asserts that promtool has nothing to say: it prints complaints of metrics with the exit status 3. */
async function assertTool(t: Test, args: readonly string[], input = ''): Promise<void> {
  const { code, stdout, stderr } = await runCommand('promtool', args, {
    cwd: folder,
    input,
    timeoutMs: TIMEOUT_MS,
  })
  t.equal(code, 0, `promtool ${args.join(' ')}`, { said: stdout + stderr })
}

t.test('promtool takes the rules, and each alert fires and does not fire as its test says', async (t) => {
  if ((await programFor(t, 'promtool')) === null) return
  await assertTool(t, ['check', 'rules', 'rules.yml'])
  await assertTool(t, ['test', 'rules', 'rules.test.yml'])
})

for (const workers of [1, 2]) {
  t.test(`promtool has nothing to say against the metrics of a gateway of ${workers}`, async (t) => {
    if ((await programFor(t, 'promtool')) === null) return
    const { gateway } = await directScene(t, { config: { workers, metrics: { tenantLabels: 5 } } })
    t.equal((await request(`${gateway.proxyUrl}/open/ok`)).status, 200)
    const response = await fetch(`${gateway.adminUrl}/metrics`, { headers: { connection: 'close' } })
    const text = await response.text()
    t.match(text, /^waybill_proxy_requests_total\{route="open",outcome="forwarded",status_class="2xx"\} 1$/m)
    await assertTool(t, ['check', 'metrics'], text)
  })
}

/** What a person who looks at a board with nothing chosen asks. */
function asked(expr: string): string {
  return expr.replaceAll(/\$__rate_interval|\$__range/g, '1m').replaceAll(/\$(job|route|tenant)/g, '.+')
}

/** What shows nothing on a gateway of one process that is well. */
const ABSENT =
  /waybill_workers|waybill_audit_gaps|waybill_upstream_tokens_total|waybill_spill_room_seconds|waybill_canary/

t.test('Prometheus scrapes a gateway with the rules, and answers each query of the boards', async (t) => {
  const { url: upstream } = await startUpstream(t)
  const routes = [
    { name: 'files', kind: 'generic', path: '/files/', upstream },
    { name: 'open', kind: 'generic', path: '/open/', upstream, auth: 'public' },
    {
      name: 'hook',
      kind: 'integration',
      path: '/hook/',
      upstream,
      auth: 'signature',
      tenant: 'acme',
      signature: { scheme: 'token', header: 'X-Token', secrets: ['secret-of-the-hook'] },
      mode: 'accept',
    },
  ]
  const { gateway } = await directScene(t, { config: { routes, metrics: { tenantLabels: 5 } } })
  const prometheus = await startPrometheus(t, { target: new URL(gateway.adminUrl).host, rules })
  if (prometheus === null) return
  // A rate takes two scrapes between which it rose, and then an evaluation.
  const query = 'job_route:waybill_upstream_errors:ratio_rate5m{route="open"} == 0'
  await untilTrue('rules have been evaluated on requests', async () => {
    await request(`${gateway.proxyUrl}/open/ok`)
    return (await seriesFound(prometheus, query)) === 1
  })
  await untilTrue('deliveries of the route have an owner', async () => {
    return (await seriesFound(prometheus, 'waybill_deliveries_under_way')) === 1
  })
  const boards = join(projectFolder(), 'deploy/grafana')
  for (const file of await readdir(boards)) {
    const board = JSON.parse(await readFile(join(boards, file), 'utf8')) as {
      panels: { title: string; targets: { expr: string }[] }[]
    }
    for (const { title, targets } of board.panels) {
      for (const { expr } of targets) {
        const series = await seriesFound(prometheus, asked(expr))
        if (!ABSENT.test(expr)) t.ok(series > 0, `${file}, ${title}: ${expr}`)
      }
    }
  }
})
