import t from 'tap'
import type { EntryRow } from '../model/entry-columns.ts'
import { ensurePartitions } from '../store/entries/partitions.ts'
import { closeSql, openReader } from '../store/sql.ts'
import { createTenant, setTenantState } from '../store/directory/tenants.ts'
import { testDatabase } from '../test/database.ts'
import type { UsageRow } from '../store/entries/usage.ts'
import { queriesOf } from './queries.ts'
import { startAdmin } from '../test/admin.ts'

const ROWS = 250
const BIG = 5_000_000_000
const { sql, target } = await testDatabase(t)
const reader = openReader(target, { statementTimeoutMs: 5000 })
t.teardown(() => closeSql(reader, 1000))

const start = new Date(Date.now() - 3_600_000)
await ensurePartitions(sql, new Date(start.getTime() - 86_400_000), 3)
await sql`
  INSERT INTO access_log (id, started_at, tenant, route, method, path, status, outcome, bytes_received, bytes_sent, duration_us,
    instance, seq)
  SELECT gen_random_uuid(), ${start}::timestamptz + (n / 5) * interval '1 microsecond', CASE WHEN n % 2 = 0 THEN 'acme' ELSE 'globex' END,
    'npm', 'GET', CASE WHEN n % 10 = 0 THEN '/npm/@a/100%' ELSE '/npm/b' END, CASE WHEN n % 25 = 0 THEN 502 ELSE 200 END,
    CASE WHEN n % 25 = 0 THEN 'upstream_refused' ELSE 'forwarded' END, ${BIG}::bigint, n, ${BIG}::bigint,
    '00000000-0000-4000-8000-000000000001', n
  FROM generate_series(1, ${ROWS}::int) n`
for (const slug of ['acme', 'deleted', 'globex']) await createTenant(sql, slug, {})
await setTenantState(sql, 'deleted', 'deleted')

t.test('entries come in pages without gap or repetition, many within one microsecond', async (t) => {
  const { ask } = await startAdmin(t, { queries: queriesOf(reader) })
  const seqs: number[] = []
  let next: string | null = null
  do {
    const reply = await ask(`/api/entries?limit=33${next === null ? '' : `&cursor=${next}`}`)
    t.equal(reply.status, 200)
    const page = reply.json() as { entries: EntryRow[]; next: string | null }
    seqs.push(...page.entries.map((entry) => entry.seq))
    next = page.next
  } while (next !== null && seqs.length <= ROWS)
  t.equal(seqs.length, ROWS)
  t.equal(new Set(seqs).size, ROWS)
})

t.test('filters restrict, and large numbers stay exact', async (t) => {
  const { ask } = await startAdmin(t, { queries: queriesOf(reader) })
  const count = async (query: string): Promise<number> => {
    const { entries } = (await ask(`/api/entries?limit=1000&${query}`)).json() as { entries: EntryRow[] }
    t.ok(entries.every((entry) => entry.bytes_received === BIG && entry.duration_us === BIG))
    return entries.length
  }
  t.equal(await count('tenant=acme'), 125)
  t.equal(await count('status=502'), 10)
  t.equal(await count('status=5xx&outcome=upstream_refused&tenant=acme'), 5)
  t.equal(await count('path=/npm/@a/100%25'), 25)
  t.equal(await count('path=/npm/%25'), 0)
  t.equal(await count('route=npm&method=GET&since=2h'), ROWS)
  t.equal(await count('until=2h'), 0)
  t.equal(await count("tenant=acme&path=/'%3B%20DROP%20TABLE%20access_log"), 0)
})

t.test('entries are found by package, kind, key, address and request', async (t) => {
  await sql`
    INSERT INTO access_log (id, started_at, tenant, key_id, client_ip, request_id, status, outcome, bytes_received, bytes_sent, duration_us,
      ecosystem, package, version, artifact_kind, instance, seq)
    SELECT gen_random_uuid(), ${start}, 'initech', 'keyinitech' || lpad(n::text, 2, '0'), ('10.9.0.' || n)::inet, 'build-' || n, 200, 'forwarded', 0,
      0, 0, 'npm', CASE WHEN n < 3 THEN '@scope/Left_Pad' ELSE 'other' END, '1.0.0', CASE n WHEN 1 THEN 'index' ELSE 'artifact' END,
      '00000000-0000-4000-8000-000000000002', n
    FROM generate_series(1, 4) n`
  const { ask } = await startAdmin(t, { queries: queriesOf(reader) })
  for (const scope of ['', '&tenant=initech']) {
    const found = async (query: string): Promise<number[]> => {
      const { entries } = (await ask(`/api/entries?${query}${scope}`)).json() as { entries: EntryRow[] }
      return entries.map(({ seq }) => seq).toSorted((a, b) => a - b)
    }
    t.strictSame(await found('package=LEFT.pad'), [1, 2])
    t.strictSame(await found('package=@scope/left-pad&artifactKind=artifact'), [2])
    t.strictSame(await found('package=pad'), [])
    t.strictSame(await found('artifactKind=index'), [1])
    t.strictSame(await found('key=keyinitech03'), [3])
    t.strictSame(await found('ip=10.9.0.2/31'), [2, 3])
    t.strictSame(await found('requestId=build-4'), [4])
  }
})

t.test('tenants and usage are read', async (t) => {
  const { ask } = await startAdmin(t, { queries: queriesOf(reader) })
  t.match((await ask('/api/tenants')).json(), { tenants: [{ slug: 'acme' }, { slug: 'globex' }], next: null })
  t.match((await ask('/api/tenants?limit=1')).json(), { tenants: { length: 1 }, next: 'acme' })
  const { usage } = (await ask('/api/usage?tenant=acme&since=1d')).json() as { usage: UsageRow[] }
  const requests = usage.reduce((sum, row) => sum + row.requests, 0)
  const errors = usage.reduce((sum, row) => sum + row.errors_5xx, 0)
  const received = usage.reduce((sum, row) => sum + row.bytes_received, 0)
  t.strictSame([requests, errors, received], [125, 5, 125 * BIG])
})

t.test('the audit of an empty ledger is complete', async (t) => {
  const { ask } = await startAdmin(t, { queries: queriesOf(reader) })
  t.match((await ask('/api/audit')).json(), {
    isComplete: true,
    instanceCount: 0,
    gaps: [],
    isTruncated: false,
  })
})

t.test('a database that cannot be reached is 503', async (t) => {
  const away = openReader({ ...target, host: '/nonexistent' }, { statementTimeoutMs: 1000 })
  t.teardown(() => closeSql(away, 0))
  const missing = openReader({ ...target, database: 'waybill_does_not_exist' }, { statementTimeoutMs: 1000 })
  t.teardown(() => closeSql(missing, 0))
  for (const sql of [away, missing]) {
    const { ask } = await startAdmin(t, { queries: queriesOf(sql) })
    for (const path of ['/api/tenants', '/api/entries', '/api/usage', '/api/audit']) {
      const reply = await ask(path)
      t.match(reply, {
        status: 503,
        headers: { 'content-type': 'application/problem+json', 'retry-after': '5' },
      })
      t.notMatch(reply.text, /nonexistent|does_not_exist|PGSQL/)
    }
  }
})

t.test('a statement that runs into its timeout is 503 and says what to do', async (t) => {
  const slow = openReader(target, { statementTimeoutMs: 50 })
  t.teardown(() => closeSql(slow, 0))
  const { ask } = await startAdmin(t, {
    queries: {
      ...queriesOf(slow),
      tenants: async () => {
        await slow`SELECT pg_sleep(60)`
        return []
      },
    },
  })
  t.match(await ask('/api/tenants'), { status: 503, text: /too long/ })
})
