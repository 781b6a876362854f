import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import t from 'tap'
import { PURL_TYPES } from '../../artifacts/purl-types.ts'
import { PackageMatcher } from '../../model/artifact/package-matcher.ts'
import { testDatabase } from '../../test/database.ts'
import { type EntryFilter, listEntries } from '../entries/entries.ts'
import { buildIndex, lackingIndexes } from '../entries/partition-indexes.ts'
import { ensurePartitions } from '../entries/partitions.ts'
import { usageByDay } from '../entries/usage.ts'
import { findPackageUsers } from '../packages/package-users.ts'
import { closeSql, openControl, openReader } from '../sql.ts'
import { seedDue } from './due.ts'
import { rollUp } from './roll-up.ts'
import { readSeries } from './series.ts'
import { topPackages } from './top-packages.ts'
import { groupUsage } from './usage-groups.ts'

// Makes a log of many rows, and asks what the views, `logs`, `usage` and `who` ask, before there are roll-ups and indexes of look-ups and
// after: node dist/test/with-postgres.js -- node dist/store/figures/reading.bench.js --rows 50000000 --days 30 --tenants 1000

const { values } = parseArgs({
  options: {
    rows: { type: 'string', default: '50000000' },
    days: { type: 'string', default: '30' },
    tenants: { type: 'string', default: '1000' },
  },
})
const [ROWS, DAYS, TENANTS] = [Number(values.rows), Number(values.days), Number(values.tenants)]
const DAY_MS = 86_400_000
const HOUR_MS = 3_600_000
const ROUNDS = 5
/** Clock ticks of /proc/<pid>/stat, in µs (proc(5): 100 a second). */
const TICK_US = 10_000

t.setTimeout(86_400_000)
const { target } = await testDatabase(t)
const sql = openControl(target, { max: 1, hasLongStatements: true })
const building = openControl(target, { max: 1, hasLongStatements: true })
const reader = openReader(target, { statementTimeoutMs: 600_000, max: 1 })
t.teardown(() => Promise.all([sql, building, reader].map((handle) => closeSql(handle, 1000))))
const end = Math.floor(Date.now() / DAY_MS) * DAY_MS
const start = end - DAYS * DAY_MS

/** CPU of PostgreSQL that `work` takes on a handle's one connection, µs a row. */
async function costOf(handle: typeof sql, work: () => Promise<void>): Promise<number> {
  const [backend] = await handle<{ pid: number }[]>`SELECT pg_backend_pid() AS pid`
  const cpu = (): number => {
    const fields =
      readFileSync(`/proc/${backend?.pid ?? 0}/stat`, 'utf8')
        .split(') ')[1]
        ?.split(' ') ?? []
    return (Number(fields[11]) + Number(fields[12])) * TICK_US
  }
  const before = cpu()
  await work()
  return (cpu() - before) / ROWS
}

/** A day of requests: tenants and packages of which a few are asked for much more than others, five keys each, six routes, some refusals. */
async function generate(day: number, rows: number): Promise<void> {
  await sql`
    INSERT INTO access_log (id, started_at, tenant, key_id, route, kind, method, host, path, status, outcome, reason, bytes_received,
      bytes_sent, duration_us, upstream_us, upstream, client_ip, user_agent, request_id, trace_id, ecosystem, package, version, artifact_kind,
      instance, seq)
    SELECT gen_random_uuid(), ${new Date(start + day * DAY_MS)}::timestamptz + n * interval '86399 s' / ${rows}::int, 'tenant-' || t,
      'key' || lpad((t * 5 + n % 5)::text, 9, '0'), 'route-' || (t + n % 2) % 6, 'npm', 'GET', 'packages.example.com',
      '/npm/package-' || p || '/-/package-' || p || '-1.0.0.tgz',
      CASE k WHEN 0 THEN 429 WHEN 1 THEN 404 WHEN 2 THEN 304 WHEN 3 THEN 502 ELSE 200 END,
      CASE k WHEN 0 THEN 'rate_limited' WHEN 3 THEN 'upstream_refused' ELSE 'forwarded' END,
      CASE k WHEN 0 THEN 'tenant_rate' WHEN 3 THEN 'connect_timeout' END, 0, 20000, d, d / 2, CASE WHEN k > 0 THEN 'repo.example.com:443' END,
      ('10.' || t % 200 || '.' || n % 5 || '.1')::inet, 'npm/10.8.2 node/v20.20.2 linux x64 workspaces/false', gen_random_uuid()::text,
      md5(n::text || ${day}::int), 'npm', 'package-' || p, '1.0.0', CASE WHEN n % 2 = 0 THEN 'artifact' ELSE 'metadata' END,
      '00000000-0000-4000-8000-000000000001', n + ${day}::bigint * ${rows}::bigint
    FROM (
      SELECT n, floor(${TENANTS}::int * power(random(), 3))::int AS t, floor(exp(random() * 10))::int AS p, floor(random() * 60)::int AS k,
        (1000 * exp(random() * random() * 7))::bigint AS d FROM generate_series(1, ${rows}::int) n OFFSET 0) g`
}

async function bytesOf(pattern: string): Promise<number> {
  const [row] = await sql<{ bytes: number }[]>`
    SELECT coalesce(sum(pg_relation_size(oid)), 0)::bigint AS bytes FROM pg_class WHERE relkind IN ('r', 'i') AND relname ~ ${pattern}`
  return (row?.bytes ?? 0) / ROWS
}

const day = { since: new Date(end - DAY_MS), until: new Date(end) }
const month = { since: new Date(start), until: new Date(end) }
const week = { since: new Date(end - 7 * DAY_MS), until: new Date(end) }
const most = { by: 'requests', isAscending: false } as const
const logs = (filter: EntryFilter) => () => listEntries(reader, filter, { limit: 100 })
const middle = `tenant-${Math.floor(TENANTS / 8)}`
const [known] = [{ id: '' }]

/** What is asked. */
const QUESTIONS: Readonly<Record<string, () => Promise<unknown>>> = {
  'chart: a day by class, 5 minutes': () => readSeries(reader, { ...day, stepMinutes: 5, by: 'class' }),
  'chart: 30 days by class, hours': () => readSeries(reader, { ...month, stepMinutes: 60, by: 'class' }),
  'chart: a day of percentiles by route, 15 minutes': () =>
    readSeries(reader, { ...day, stepMinutes: 15, by: 'route', hasPercentiles: true }),
  'percentiles by route, 30 days': () =>
    readSeries(reader, { ...month, stepMinutes: null, by: 'route', hasPercentiles: true }),
  'percentiles by tenant, a day': () =>
    readSeries(reader, { ...day, stepMinutes: null, by: 'tenant', hasPercentiles: true }),
  'chart: a tenant, a day, 5 minutes': () =>
    readSeries(reader, { ...day, stepMinutes: 5, tenant: middle, by: 'class' }),
  'top tenants, a day': () => groupUsage(reader, { ...day, by: ['tenant'], sort: most, limit: 10 }),
  'top tenants, 30 days': () => groupUsage(reader, { ...month, by: ['tenant'], sort: most, limit: 10 }),
  'failures by route and reason, a day': () =>
    groupUsage(reader, { ...day, by: ['route', 'outcome', 'reason'], only: 'failed', limit: 100 }),
  '429 by tenant, route, reason, a day': () =>
    groupUsage(reader, {
      ...day,
      only: 'limited',
      by: ['tenant', 'route', 'reason'],
      sort: { by: 'refused_limit', isAscending: false },
      limit: 100,
    }),
  'top packages, a week': () => topPackages(reader, { ...week, limit: 20 }),
  'top packages, 30 days': () => topPackages(reader, { ...month, limit: 20 }),
  'usage: a tenant, 30 days, by day and key': () =>
    groupUsage(reader, { ...month, tenant: middle, by: ['day', 'key'], limit: 1000 }),
  'usage: 30 days, day x tenant x route': async () => {
    for await (const rows of usageByDay(reader, month)) if (rows.length === 0) break
  },
  'logs: newest 100': logs({}),
  'logs: a tenant': logs({ tenant: middle }),
  'logs --request-id, of the oldest day': () => logs({ requestId: known.id })(),
  'logs --request-id, nobody': logs({ requestId: 'nobody' }),
  'logs, trace id of nobody': logs({ traceId: 'nobody' }),
  'logs --key, nobody': logs({ keyId: 'key999999999' }),
  'logs --ip, nobody': logs({ clientIp: '192.0.2.1' }),
  'logs --status, that nobody had': logs({ status: '418' }),
  'logs, slower than anything': logs({ slowerThanUs: 60_000_000_000 }),
  'who: a middling package': () =>
    findPackageUsers(reader, new PackageMatcher('pkg:npm/package-5000', null, ['npm']), {}, PURL_TYPES),
}

interface Times {
  readonly first: number
  readonly median: number
}

async function ask(question: () => Promise<unknown>): Promise<Times> {
  const times: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    const startedAt = performance.now()
    await question()
    times.push(performance.now() - startedAt)
    // What takes seconds takes seconds.
    if ((times[0] ?? 0) > 5000) break
  }
  return { first: times[0] ?? 0, median: times.toSorted((a, b) => a - b)[Math.floor(times.length / 2)] ?? 0 }
}

async function askAll(): Promise<Map<string, Times>> {
  const found = new Map<string, Times>()
  for (const [name, question] of Object.entries(QUESTIONS)) found.set(name, await ask(question))
  return found
}

const ms = (value: number | undefined): string =>
  value === undefined ? '' : value < 10 ? value.toFixed(1) : value.toFixed(0)

t.test(`reading ${ROWS} rows of ${DAYS} days, ${TENANTS} tenants`, { timeout: 86_400_000 }, async (t) => {
  await sql`DROP INDEX access_log_request, access_log_trace, access_log_rare`
  await ensurePartitions(sql, new Date(start), DAYS)
  const made = await costOf(sql, async () => {
    for (let n = 0; n < DAYS; n++) await generate(n, Math.floor(ROWS / DAYS))
  })
  await sql`VACUUM ANALYZE access_log`
  const [oldest] = await sql<
    { id: string }[]
  >`SELECT request_id AS id FROM access_log WHERE started_at < ${new Date(start + HOUR_MS)} LIMIT 1`
  known.id = oldest?.id ?? ''
  t.comment(
    `rows: ${made.toFixed(1)} µs CPU each, ${(await bytesOf('^access_log_[0-9]{8}')).toFixed(0)} bytes with their indexes`,
  )
  await sql.begin((tx) => seedDue(tx))
  const before = await askAll()

  const cost = await costOf(sql, async () => {
    while ((await rollUp(sql)).state === 'more');
  })
  await sql`VACUUM ANALYZE figures_usage, figures_usage_days, figures_routes, figures_tenants, figures_packages`
  t.comment(`roll-ups: ${cost.toFixed(2)} µs CPU an entry`)
  for (const name of ['usage', 'usage_days', 'routes', 'tenants', 'packages']) {
    const [row] = await sql<{ n: number }[]>`SELECT count(*) AS n FROM ${sql(`figures_${name}`)}`
    t.comment(
      `figures_${name}: ${((row?.n ?? 0) / ROWS).toFixed(3)} rows and ${(await bytesOf(`^figures_${name}(_minute|_tenant)?$`)).toFixed(1)} bytes an entry`,
    )
  }
  const { readFile } = await import('node:fs/promises')
  const { MIGRATIONS_DIR } = await import('../migrate.ts')
  await sql.unsafe(await readFile(`${MIGRATIONS_DIR}/0071-look-ups.sql`, 'utf8'))
  const lacking = await lackingIndexes(sql)
  const indexed = await costOf(building, async () => {
    for (const one of lacking) await buildIndex(building, one)
  })
  t.comment(
    `indexes of look-ups: ${indexed.toFixed(2)} µs CPU and ${(await bytesOf('^access_log_[0-9]{8}_(request|trace|rare)$')).toFixed(1)} bytes an entry`,
  )
  const after = await askAll()
  t.comment('| asked | before: first, median (ms) | after: first, median (ms) |')
  t.comment('|---|---|---|')
  for (const name of Object.keys(QUESTIONS)) {
    const [a, b] = [before.get(name), after.get(name)]
    t.comment(`| ${name} | ${ms(a?.first)}, ${ms(a?.median)} | ${ms(b?.first)}, ${ms(b?.median)} |`)
  }
  t.equal(after.size, before.size)
})
