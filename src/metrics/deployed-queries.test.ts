import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { parse } from 'yaml'
import { REQUEST_BOUNDS_SECONDS } from '../lib/histogram.ts'
import { restingStats } from '../test/metric-sources.ts'
import { parseQuery, type Query } from '../test/promql.ts'
import { projectFolder } from '../version.ts'
import { Metrics } from './metrics.ts'
import { workerFamilies } from './worker-families.ts'

interface Rule {
  readonly record?: string
  readonly alert?: string
  readonly expr: string
  readonly annotations?: { readonly summary?: string; readonly runbook?: string }
}

const folder = join(projectFolder(), 'deploy')
const rules = (
  parse(readFileSync(join(folder, 'prometheus/rules.yml'), 'utf8')) as {
    groups: { rules: Rule[] }[]
  }
).groups.flatMap((group) => group.rules)
const alerts = rules.filter(({ alert }) => alert !== undefined)

/** Labels that Prometheus itself adds. */
const ADDED = ['job', 'instance']
/** Labels whose values are the operator's. */
const OPEN = new Set(['route', 'tenant', 'worker', 'version', 'certificate', ...ADDED])

interface Known {
  readonly labels: readonly string[]
  /** Of labels with a closed set; empty where it shows none at rest. */
  readonly values: ReadonlyMap<string, ReadonlySet<string>>
}

/** All series that a gateway can show, by the name that a query uses. */
async function knownSeries(): Promise<Map<string, Known>> {
  const known = new Map<string, Known>()
  const metrics = new Metrics(restingStats().sources, { tenantLabels: 10, version: '1.2.3' })
  const workers = workerFamilies({ workers: [], taken: new Map([[1, 0]]), restarts: 0 })
  for (const family of workers) {
    known.set(family.name, {
      labels: Object.keys(family.values[0]?.labels ?? {}),
      values: valuesOf(family.values),
    })
  }
  const definitions = new Map(metrics.families.map((family) => [family.name, family]))
  for await (const { name, type, values } of metrics.samples()) {
    const labels = definitions.get(name)?.labels ?? Object.keys(values[0]?.labels ?? {})
    const series = { labels, values: valuesOf(values) }
    if (type !== 'histogram') known.set(name, series)
    else {
      const bounds = new Map([['le', new Set([...REQUEST_BOUNDS_SECONDS.map(String), '+Inf'])]])
      known.set(`${name}_bucket`, { labels: [...labels, 'le'], values: bounds })
      for (const suffix of ['_sum', '_count']) known.set(`${name}${suffix}`, { labels, values: new Map() })
    }
  }
  // Prometheus' own of each target; what the rules record.
  known.set('up', { labels: [], values: new Map() })
  for (const { record = '' } of rules) {
    // Named as Prometheus' manual has it, level:metric:operations: the level is the labels.
    const [level = ''] = record.split(':')
    if (record !== '') known.set(record, { labels: level.split('_'), values: new Map() })
  }
  return known
}

function valuesOf(
  samples: readonly { readonly labels: Readonly<Record<string, string>> }[],
): Map<string, Set<string>> {
  const values = new Map<string, Set<string>>()
  for (const { labels } of samples) {
    for (const [label, value] of Object.entries(labels)) {
      if (!OPEN.has(label)) values.set(label, (values.get(label) ?? new Set()).add(value))
    }
  }
  return values
}

/** What a query names and no gateway has. */
function strangersOf({ selectors, grouping }: Query, known: ReadonlyMap<string, Known>): string[] {
  const strangers: string[] = []
  const grouped = new Set(ADDED)
  for (const { name, matchers } of selectors) {
    const series = known.get(name)
    if (series === undefined) {
      strangers.push(name)
      continue
    }
    for (const label of series.labels) grouped.add(label)
    for (const [label, wanted] of matchers) {
      if (![...series.labels, ...ADDED].includes(label)) strangers.push(`${name}{${label}}`)
      const values = series.values.get(label)
      // A variable of a board stands for any value.
      if (values === undefined || wanted.includes('$')) continue
      const missing = wanted.split('|').filter((value) => !values.has(value))
      strangers.push(...missing.map((value) => `${name}{${label}="${value}"}`))
    }
  }
  strangers.push(...grouping.filter((label) => !grouped.has(label)).map((label) => `by (${label})`))
  return strangers
}

t.test('each rule reads series, labels and label values that a gateway has', async (t) => {
  const known = await knownSeries()
  t.ok(known.size > 60, `${known.size} series`)
  for (const { alert, record, expr } of rules) {
    t.strictSame(strangersOf(parseQuery(expr), known), [], alert ?? record ?? expr)
  }
  t.strictSame(
    strangersOf(
      parseQuery('sum by (colour) (waybill_channel_dropped_total{reason="x"}) + waybill_no'),
      known,
    ),
    ['waybill_channel_dropped_total{reason="x"}', 'waybill_no', 'by (colour)'],
    'a stranger is found',
  )
})

interface Board {
  readonly uid: string
  readonly title: string
  readonly templating: { readonly list: readonly { readonly name: string; readonly type: string }[] }
  readonly panels: readonly {
    readonly id: number
    readonly title: string
    readonly datasource: { readonly uid: string }
    readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number }
    readonly targets: readonly { readonly expr: string; readonly datasource: { readonly uid: string } }[]
  }[]
}

const boards = readdirSync(join(folder, 'grafana')).map(
  (file) => [file, JSON.parse(readFileSync(join(folder, 'grafana', file), 'utf8')) as Board] as const,
)

t.test('each query of the boards reads series, labels and label values that a gateway has', async (t) => {
  const known = await knownSeries()
  for (const [file, { panels }] of boards) {
    for (const { expr } of panels.flatMap(({ targets }) => targets)) {
      t.strictSame(strangersOf(parseQuery(expr), known), [], `${file}: ${expr}`)
    }
  }
})

t.test('each board has an address of its own, asks for its source, and its panels lie side by side', (t) => {
  t.ok(boards.length >= 5, `${boards.length} boards`)
  for (const [file, { uid, title, panels, templating }] of boards) {
    t.equal(file, `${uid}.json`)
    t.ok(title.startsWith('Waybill: ') && panels.length > 5, title)
    const variables = new Set(templating.list.map(({ name }) => name))
    t.ok(templating.list.some(({ name, type }) => name === 'datasource' && type === 'datasource'))
    t.equal(new Set(panels.map(({ id }) => id)).size, panels.length, 'ids')
    for (const { datasource, targets } of panels) {
      for (const part of [{ datasource }, ...targets]) t.equal(part.datasource.uid, '${datasource}')
    }
    const used = [...JSON.stringify(panels).matchAll(/\$(?!__)\{?(\w+)/g)].map(([, name = '']) => name)
    t.strictSame(
      used.filter((name) => !variables.has(name)),
      [],
      'variables are declared',
    )
    const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_, i) => `${x + (i % w)},${y + Math.floor(i / w)}`),
    )
    t.equal(new Set(cells).size, cells.length, 'no panel covers another')
  }
  t.end()
})

t.test(
  'each alert has a summary, a section that says what to do, and a test that it fires and does not',
  (t) => {
    t.ok(alerts.length > 30, `${alerts.length} alerts`)
    const page = readFileSync(join(projectFolder(), 'docs/observability.md'), 'utf8')
    const sections = new Set([...page.matchAll(/^### (\w+)$/gm)].map(([, name]) => name))
    const tested = (
      parse(readFileSync(join(folder, 'prometheus/rules.test.yml'), 'utf8')) as {
        tests: { alert_rule_test: { alertname: string; exp_alerts: unknown[] }[] }[]
      }
    ).tests.flatMap((test) => test.alert_rule_test)
    for (const { alert = '', annotations } of alerts) {
      t.ok(annotations?.summary, `${alert} has a summary`)
      t.equal(annotations?.runbook, `docs/observability.md#${alert.toLowerCase()}`)
      t.ok(sections.has(alert), `docs/observability.md has a section ${alert}`)
      const cases = tested.filter(({ alertname }) => alertname === alert)
      t.ok(
        cases.some((test) => test.exp_alerts.length > 0),
        `${alert} is tested to fire`,
      )
      t.ok(
        cases.some((test) => test.exp_alerts.length === 0),
        `${alert} is tested not to fire`,
      )
    }
    const names = new Set(alerts.map(({ alert }) => alert))
    t.strictSame(
      [...sections].filter((name) => name?.startsWith('Waybill') && !names.has(name)),
      [],
      'no section without an alert',
    )
    t.end()
  },
)
