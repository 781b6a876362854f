import { readFileSync } from 'node:fs'
import t from 'tap'
import { testDatabase } from '../../test/database.ts'
import { packageKey } from '../packages/package-key.ts'
import { ensurePartitions } from './partitions.ts'
import { openControl, type Sql } from '../sql.ts'

// What the index of packages costs: node dist/test/with-postgres.js -- node dist/store/entries/package-index.bench.js

const ROWS = 200_000
const ROUNDS = 3
/** Clock ticks of /proc/<pid>/stat, in µs (proc(5): 100 a second). */
const TICK_US = 10_000

/** CPU that a backend of PostgreSQL has used. */
function cpuUs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
  return (Number(fields[11]) + Number(fields[12])) * TICK_US
}

/** Rows of 10,000 packages in 20 versions each, a few of them asked for much more than the others. */
async function insert(sql: Sql): Promise<void> {
  await sql`
    INSERT INTO access_log (id, started_at, tenant, key_id, route, kind, method, host, path, status, outcome, bytes_received, bytes_sent,
      duration_us, upstream_us, upstream, client_ip, user_agent, request_id, trace_id, ecosystem, package, version, instance, seq, artifact_kind)
    SELECT gen_random_uuid(), '2026-11-21'::timestamptz + g * interval '2 ms', 'tenant-' || g % 50, 'k7m2p9q4x1', 'npm', 'npm', 'GET',
      'artifacts.example.com', '/npm/@scope/package-' || p || '/-/package-' || p || '-1.0.0.tgz', 200, 'forwarded', 0, 1000 + g, 1500, 1200,
      'repo.example.com:443', '10.1.2.3', 'npm/10.8.2 node/v20.20.2 linux x64 workspaces/false', 'req-' || g,
      '4bf92f3577b34da6a3ce929d0e0e4736', 'npm', '@scope/package-' || p, '1.' || g % 20 || '.0', '0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b', g,
      'artifact'
    FROM (SELECT g, floor(10000 * power(random(), 3))::int AS p FROM generate_series(1, ${ROWS}) g) x`
}

t.test('rows with and without the index of packages', { timeout: 300_000 }, async (t) => {
  const { target } = await testDatabase(t)
  const sql = openControl(target, { max: 1, hasLongStatements: true })
  t.teardown(() => sql.end({ timeout: 1 }))
  await ensurePartitions(sql, new Date('2026-11-21T00:00:00Z'), 1)
  const [backend] = await sql<{ pid: number }[]>`SELECT pg_backend_pid() AS pid`
  const best = { with: Infinity, without: Infinity }
  let bytes = 0
  for (let round = 0; round < 2 * ROUNDS; round++) {
    const kind = round < ROUNDS ? 'with' : 'without'
    if (round === ROUNDS) await sql`DROP INDEX access_log_package`
    await sql`TRUNCATE access_log`
    const cpu = cpuUs(backend?.pid ?? 0)
    await insert(sql)
    best[kind] = Math.min(best[kind], (cpuUs(backend?.pid ?? 0) - cpu) / ROWS)
    if (round !== ROUNDS - 1) continue
    const [size] = await sql<{ bytes: number }[]>`
      SELECT pg_relation_size(inhrelid) AS bytes FROM pg_inherits WHERE inhparent = 'access_log_package'::regclass`
    bytes = (size?.bytes ?? 0) / ROWS
    const startedAt = performance.now()
    const [found] = await sql<{ n: number }[]>`
      SELECT count(*) AS n FROM access_log e WHERE ${packageKey(sql, sql`e.package`)} = 'package-7' AND e.version = '1.7.0'
        AND e.package IS NOT NULL AND e.started_at >= '2026-11-21'`
    t.comment(
      `one version of a package: ${found?.n} rows in ${(performance.now() - startedAt).toFixed(1)} ms`,
    )
  }
  t.comment(
    `a row takes ${best.without.toFixed(1)} µs CPU of PostgreSQL without, ${best.with.toFixed(1)} with: ` +
      `${(best.with - best.without).toFixed(1)} µs and ${bytes.toFixed(0)} bytes a row for the index`,
  )
})
