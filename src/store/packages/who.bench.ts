import { parseArgs } from 'node:util'
import t from 'tap'
import { PURL_TYPES } from '../../artifacts/purl-types.ts'
import { PackageMatcher } from '../../model/artifact/package-matcher.ts'
import { testDatabase } from '../../test/database.ts'
import { ensurePartitions } from '../entries/partitions.ts'
import { closeSql, openControl, openReader, type Sql } from '../sql.ts'
import { findPackageUsers } from './package-users.ts'
import { packageCondition } from './package-key.ts'

// Makes a log of ten million rows, asks who had a rare, a middling, a popular and an absent package, and tells time, plan and what the
// index takes: node dist/test/with-postgres.js -- node dist/store/packages/who.bench.js --rows 10000000

const { values } = parseArgs({
  options: { rows: { type: 'string', default: '10000000' }, days: { type: 'string', default: '10' } },
})
const [ROWS, DAYS] = [Number(values.rows), Number(values.days)]
const DAY_MS = 86_400_000
/** Packages, of which the n-th is asked for about 1/n as often as the first; 50 tenants with 4 keys each. */
const PACKAGES = 20_000

t.setTimeout(3_600_000)
const { target, url } = await testDatabase(t)
const sql = openControl(target, { max: 1, hasLongStatements: true })
const reader = openReader(target, { statementTimeoutMs: 600_000, max: 1 })
t.teardown(() => Promise.all([closeSql(sql, 1000), closeSql(reader, 1000)]))
const start = new Date(Math.floor(Date.now() / DAY_MS) * DAY_MS - DAYS * DAY_MS)

/** Rows of one day in the order of time, of packages in no order. */
async function generate(table: string, day: number, rows: number): Promise<number> {
  const startedAt = performance.now()
  await sql`
    INSERT INTO ${sql(table)} (id, started_at, tenant, key_id, route, kind, method, host, path, status, outcome, bytes_received, bytes_sent, duration_us,
      upstream_us, upstream, client_ip, user_agent, request_id, ecosystem, package, version, qualifiers, artifact_kind, instance, seq)
    SELECT gen_random_uuid(), ${new Date(start.getTime() + day * DAY_MS)}::timestamptz + n * interval '86399 s' / ${rows}::int,
      'tenant-' || k / 4, 'key' || lpad(k::text, 9, '0'), r.kind, r.kind, CASE WHEN n % 20 = 0 THEN 'HEAD' ELSE 'GET' END, 'packages.example.com',
      '/' || r.kind || '/' || r.name || '/-/' || r.name || '-1.' || v || '.0.tgz', CASE WHEN n % 50 = 7 THEN 404 WHEN n % 30 = 11 THEN 304 ELSE 200 END,
      'forwarded', 0, 20000, 3000, 2500, 'repo.example.com:443', ('10.0.' || k || '.' || (n % 5))::inet, 'client/' || (k % 40) || '.' || (n % 3),
      'req-' || n, r.kind, r.name, CASE WHEN n % 10 < 6 THEN '1.' || v || '.0' END, CASE WHEN r.kind = 'apt' THEN 'arch=amd64' END,
      CASE WHEN n % 10 < 6 THEN 'artifact' WHEN n % 10 < 9 THEN 'index' ELSE 'metadata' END, '00000000-0000-4000-8000-000000000001', n
    FROM (
      SELECT n, floor(random() * 200)::int AS k, floor(random() * random() * 20)::int AS v, floor(exp(random() * ln(${PACKAGES}::float8)))::int AS p
      FROM generate_series(1, ${rows}::int) n OFFSET 0
    ) g CROSS JOIN LATERAL (
      SELECT CASE WHEN p % 10 < 6 THEN 'npm' WHEN p % 10 = 6 THEN 'pypi' WHEN p % 10 = 7 THEN 'maven' WHEN p % 10 = 8 THEN 'apt' ELSE 'go' END AS kind,
        CASE WHEN p % 10 = 7 THEN 'org.example/' WHEN p % 10 = 8 THEN 'debian/' WHEN p % 10 = 9 THEN 'example.com/' ELSE '' END || 'package-' || p AS name
    ) r`
  return performance.now() - startedAt
}

async function rare(): Promise<void> {
  await sql`
    INSERT INTO access_log (id, started_at, tenant, key_id, route, kind, method, path, status, outcome, bytes_received, bytes_sent, duration_us, client_ip,
      ecosystem, package, version, artifact_kind, instance, seq)
    SELECT gen_random_uuid(), ${start}::timestamptz + n * interval '1 s' * ${(DAYS * 86_400) / 21}::float8, 'tenant-1', 'key000000004', 'npm', 'npm', 'GET', '/npm/rare', 200,
      'forwarded', 0, 1000, 1000, '10.0.4.1', 'npm', 'rare-package', '1.0.' || n % 2, 'artifact', '00000000-0000-4000-8000-000000000001', ${ROWS}::int + n
    FROM generate_series(1, 20) n`
}

/** Bytes of the relations whose names are of that pattern. */
async function bytesOf(pattern: string, kind: 'i' | 'r'): Promise<number> {
  const [row] = await sql<{ bytes: number }[]>`
    SELECT coalesce(sum(pg_relation_size(oid)), 0)::bigint AS bytes FROM pg_class WHERE relkind = ${kind} AND relname ~ ${pattern}`
  return row?.bytes ?? 0
}

async function ask(t: { comment(text: string): void }, label: string, question: string): Promise<void> {
  const matcher = new PackageMatcher(question, null, [...new Set(PURL_TYPES.values())])
  const times: number[] = []
  let users = 0
  for (let round = 0; round < 3; round++) {
    const startedAt = performance.now()
    users = (await findPackageUsers(reader, matcher, {}, PURL_TYPES)).users.length
    times.push(performance.now() - startedAt)
  }
  const rows = await reader<{ n: number }[]>`
    SELECT count(*)::int AS n FROM access_log e WHERE ${packageCondition(reader, { names: matcher.spellings, ecosystems: [...PURL_TYPES.keys()] })}`
  t.comment(
    `${label} (${question}): ${rows[0]?.n ?? 0} rows, ${users} lines, ${times.map((ms) => `${ms.toFixed(0)} ms`).join(', ')}`,
  )
}

async function planOf(name: string): Promise<string> {
  const scope = { names: [name], ecosystems: [...PURL_TYPES.keys()] }
  const rows = await reader<Record<string, string>[]>`
    EXPLAIN (COSTS OFF) SELECT count(*) FROM access_log e WHERE ${packageCondition(reader, scope)}`
  return rows.map((row) => row['QUERY PLAN'] ?? '').join('\n')
}

/** What a row more costs with the index: the same rows into two tables like a partition, one of which has it. */
async function insertCost(sqlHandle: Sql, rows: number): Promise<string> {
  const times: Record<string, number[]> = { without: [], with: [] }
  for (let round = 0; round < 3; round++) {
    for (const name of ['without', 'with'] as const) {
      await sqlHandle.unsafe(`DROP TABLE IF EXISTS probe; CREATE TABLE probe (LIKE access_log);
        CREATE INDEX ON probe (tenant, started_at) INCLUDE (status, duration_us, bytes_sent); CREATE INDEX ON probe USING brin (started_at)`)
      if (name === 'with') {
        const [row] = await sqlHandle<{ definition: string }[]>`
          SELECT pg_get_indexdef(indexrelid) AS definition FROM pg_index WHERE indexrelid = 'access_log_package'::regclass`
        const body = (row?.definition ?? '').replace(/^.* USING/, 'USING')
        await sqlHandle.unsafe(`CREATE INDEX ON probe ${body}`)
      }
      times[name]?.push(await generate('probe', 0, rows))
    }
  }
  await sqlHandle.unsafe('DROP TABLE probe')
  const best = (name: string): number => (Math.min(...(times[name] ?? [])) * 1000) / rows
  return `${best('without').toFixed(2)} µs without, ${best('with').toFixed(2)} µs with the index`
}

t.test(`who, on ${ROWS} rows of ${DAYS} days`, { timeout: 3_600_000 }, async (t) => {
  t.ok(url)
  await ensurePartitions(sql, start, DAYS)
  let ms = 0
  for (let day = 0; day < DAYS; day++) ms += await generate('access_log', day, Math.floor(ROWS / DAYS))
  await rare()
  await sql`VACUUM ANALYZE access_log`
  t.comment(`made in ${(ms / 1000).toFixed(0)} s, ${((ms * 1000) / ROWS).toFixed(1)} µs a row`)
  const [index, table] = [
    await bytesOf('^access_log_[0-9]{8}_(?:lower|package)', 'i'),
    await bytesOf('^access_log_[0-9]{8}$', 'r'),
  ]
  t.comment(
    `index ${(index / 2 ** 20).toFixed(0)} MiB, ${(index / ROWS).toFixed(1)} bytes a row; table ${(table / ROWS).toFixed(0)} bytes a row`,
  )
  t.comment(`an INSERT of one row: ${await insertCost(sql, Math.min(300_000, ROWS))}`)
  await ask(t, 'absent', 'pkg:npm/no-such-package')
  await ask(t, 'rare', 'pkg:npm/rare-package@1.0.0')
  await ask(t, 'middling', 'pkg:npm/package-101')
  await ask(t, 'popular', 'pkg:npm/package-1')
  await ask(t, 'popular, one version', 'pkg:npm/package-1@1.3.0')
  await ask(t, 'popular, a range', 'pkg:npm/package-1@>=1.2 <1.5')
  await ask(t, 'by its bare name', 'package-101')
  const plan = await planOf('rare-package')
  for (const line of plan.split('\n').slice(0, 8)) t.comment(line)
  t.match(plan, /Index (?:Only )?Scan|Bitmap Index Scan/)
  t.notMatch(plan, /Seq Scan on access_log_\d/)
})
