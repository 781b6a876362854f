import t from 'tap'
import { ENTRY_COLUMNS, type EntryRow } from '../../model/entry-columns.ts'
import { decodeCursor, encodeCursor, type EntryFilter, listEntries, streamEntries } from './entries.ts'
import { ensurePartitions } from './partitions.ts'
import { closeSql, openControl, openReader } from '../sql.ts'
import { testDatabase } from '../../test/database.ts'
import { type UsageRow, usageByDay } from './usage.ts'

const { sql, target } = await testDatabase(t)
const reader = openReader(target, { statementTimeoutMs: 30_000 })
t.teardown(() => closeSql(reader, 1000))

const DAY_MS = 86_400_000
const ROWS = 200_000
/** Midnight two days ago: the entries lie evenly in the 48 hours after it, but for a few on the edges. */
const start = new Date(Math.floor(Date.now() / DAY_MS) * DAY_MS - 2 * DAY_MS)

await ensurePartitions(sql, new Date(start.getTime() - DAY_MS), 5)
// Takes long on a loaded machine.
const filling = openControl(target, { max: 1, hasLongStatements: true })
await filling`
  INSERT INTO access_log (id, started_at, tenant, key_id, route, kind, method, host, path, status, outcome, bytes_received, bytes_sent,
    duration_us, client_ip, request_id, instance, seq)
  SELECT gen_random_uuid(), ${start}::timestamptz + n * interval '172800 s' / ${ROWS}::int,
    CASE WHEN n % 1000 = 0 THEN 'rare' WHEN n % 10 = 0 THEN NULL ELSE 'big' END, 'key' || n % 7,
    CASE WHEN n % 2 = 0 THEN 'npm' ELSE 'files' END, 'npm', CASE WHEN n % 5 = 0 THEN 'PUT' ELSE 'GET' END, 'h',
    CASE WHEN n % 3 = 0 THEN '/100%/_a' ELSE '/100x/ba' END, CASE WHEN n % 50 = 0 THEN 503 WHEN n % 49 = 0 THEN 404 ELSE 200 END,
    'forwarded', n, 3000000000, 10, CASE WHEN n % 4 = 0 THEN '10.1.2.3' ELSE '2001:db8::7' END::inet, 'req-' || n,
    '00000000-0000-4000-8000-000000000001', n
  FROM generate_series(1, ${ROWS - 1}::int) n`
await filling`VACUUM ANALYZE access_log`
await closeSql(filling, 1000)

async function collect(filter: EntryFilter): Promise<EntryRow[]> {
  const rows: EntryRow[] = []
  for await (const chunk of streamEntries(reader, filter)) {
    if (chunk.length === 0 || chunk.length > 500) throw new Error(`chunk of ${chunk.length}`)
    rows.push(...chunk)
  }
  return rows
}

const seqs = (rows: readonly EntryRow[]) => rows.map((row) => row.seq)
const numbers = (from: number, to: number, step = 1) =>
  Array.from({ length: Math.floor((to - from) / step) + 1 }, (_, i) => from + i * step)

t.test('the columns of the table are those of the database', async (t) => {
  const inDatabase = await sql`
    SELECT attname::text AS name, atttypid::regtype::text AS type, NOT attnotnull AS "isNullable" FROM pg_attribute
    WHERE attrelid = 'access_log'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attname`
  const types = { timestamptz: 'timestamp with time zone' } as Readonly<Record<string, string>>
  const columns = ENTRY_COLUMNS.map(
    ({ name, type, isNullable }): { name: string; type: string; isNullable: boolean } => ({
      name,
      type: types[type] ?? type,
      isNullable,
    }),
  )
  // Said of a row later, by who identifies older rows; no part of an entry.
  columns.push({ name: 'identified_at', type: 'timestamp with time zone', isNullable: true })
  const byName = (a: { name: string }, b: { name: string }): number => (a.name < b.name ? -1 : 1)
  t.same([...inDatabase], columns.toSorted(byName))
})

t.test('an entry is shown with exact numbers and plain texts', async (t) => {
  const { entries } = await listEntries(reader, { requestId: 'req-4' }, { limit: 10 })
  t.match(entries, [
    { seq: 4, bytes_sent: 3_000_000_000, client_ip: '10.1.2.3', tenant: 'big', upstream: null },
  ])
  t.notOk('cursor_at' in (entries[0] ?? {}))
})

t.test('pages follow each other without gap or repetition, with a tenant and without', async (t) => {
  for (const [filter, expected] of [
    [{ tenant: 'rare' }, numbers(1000, ROWS - 1, 1000)],
    [{ since: new Date(start.getTime() + 2 * DAY_MS - 1728_000) }, numbers(ROWS - 2000, ROWS - 1)],
  ] as const) {
    const seen: number[] = []
    let before = null
    do {
      const page: Awaited<ReturnType<typeof listEntries>> = await listEntries(reader, filter, {
        limit: 70,
        before,
      })
      seen.push(...seqs(page.entries))
      before = page.next === null ? null : decodeCursor(encodeCursor(page.next))
    } while (before !== null)
    t.same(seen, expected.toReversed())
  }
})

t.test('entries of the same microsecond and from a clock ahead are listed once each', async (t) => {
  const time = new Date(Date.now() + 3_600_000).toISOString()
  await sql`
    INSERT INTO access_log (id, started_at, tenant, status, outcome, bytes_received, bytes_sent, duration_us, instance, seq)
    SELECT gen_random_uuid(), ${time}::text::timestamptz + interval '7 us', 'twins', 200, 'forwarded', 0, 0, 0, gen_random_uuid(), n
    FROM generate_series(1, 25) n`
  for (const filter of [{ tenant: 'twins' }, { since: new Date(Date.now() + 1_800_000) }]) {
    const seen: number[] = []
    let page = await listEntries(reader, filter, { limit: 4 })
    for (; page.next !== null; page = await listEntries(reader, filter, { limit: 4, before: page.next })) {
      seen.push(...seqs(page.entries))
    }
    seen.push(...seqs(page.entries))
    t.same(
      seen.sort((a, b) => a - b),
      numbers(1, 25),
    )
  }
})

t.test('each filter selects exactly its entries', async (t) => {
  const until = new Date(start.getTime() + 864_000) // the first 1,000 entries, n × 864 ms
  const expectations: [EntryFilter, (n: number) => boolean][] = [
    [{}, () => true],
    [{ tenant: 'rare' }, (n) => n % 1000 === 0],
    [{ route: 'npm' }, (n) => n % 2 === 0],
    [{ keyId: 'key3' }, (n) => n % 7 === 3],
    [{ status: '404' }, (n) => n % 49 === 0 && n % 50 !== 0],
    [{ status: '5xx' }, (n) => n % 50 === 0],
    [{ outcome: 'client_closed' }, () => false],
    [{ method: 'PUT' }, (n) => n % 5 === 0],
    [{ pathPrefix: '/100%/_' }, (n) => n % 3 === 0],
    [{ pathPrefix: '/100_' }, () => false],
    [{ clientIp: '10.0.0.0/8' }, (n) => n % 4 === 0],
    [{ clientIp: '2001:db8::7' }, (n) => n % 4 !== 0],
    [{ tenant: "big' OR true --" }, () => false],
    [{ since: new Date(start.getTime() + 86_400) }, (n) => n >= 100],
  ]
  for (const [filter, expected] of expectations) {
    t.same(
      seqs(await collect({ ...filter, until })),
      numbers(1, 999).filter(expected),
      JSON.stringify(filter),
    )
    const listed = await listEntries(reader, { ...filter, until }, { limit: 5000 })
    t.same(seqs(listed.entries), numbers(1, 999).filter(expected).toReversed(), JSON.stringify(filter))
  }
  await t.rejects(listEntries(reader, { status: '4x' }, { limit: 1 }), RangeError)
})

t.test('a stream gives everything in order of time, however dense', async (t) => {
  const rows = await collect({ until: new Date(start.getTime() + 2 * DAY_MS) })
  t.equal(rows.length, ROWS - 1)
  t.ok(rows.every((row, i) => row.seq === i + 1))
})

t.test('the newest entries of all tenants are found without sorting the day', async (t) => {
  const queries: string[] = []
  reader.options.debug = (_connection: number, query: string) => void queries.push(query)
  t.teardown(() => {
    reader.options.debug = false
  })
  const since = new Date(start.getTime() + 2 * DAY_MS - 600_000)
  const explain = await sql<{ 'QUERY PLAN': string }[]>`
    EXPLAIN SELECT * FROM access_log e WHERE e.started_at >= ${since} ORDER BY e.started_at DESC, e.id DESC LIMIT 100`
  const plan = explain.map((row) => row['QUERY PLAN']).join('\n')
  // BRIN, or since PostgreSQL 18 perhaps a skip scan of the tenant's index.
  t.match(plan, /Index Scan (on|using) access_log_\d+_/)
  const day = since.toISOString().slice(0, 10).replaceAll('-', '')
  t.notMatch(plan, new RegExp(`Seq Scan on access_log_${day}`), 'a window does not read the day')
  // As of the end of the data: how long ago that is depends on the time of day.
  await listEntries(reader, { until: new Date(start.getTime() + 2 * DAY_MS) }, { limit: 100 })
  const windows = queries.filter((query) => query.includes('LIMIT'))
  t.ok(windows.length > 1)
  t.ok(
    windows.every((query) => query.includes('e.started_at >=')),
    'the whole table is never asked for',
  )
})

t.test('the newest entries of a tenant come from its index', async (t) => {
  const explain = await sql<{ 'QUERY PLAN': string }[]>`
    EXPLAIN SELECT * FROM access_log e WHERE true AND e.tenant = ${'big'} ORDER BY e.started_at DESC, e.id DESC LIMIT 100`
  const plan = explain.map((row) => row['QUERY PLAN']).join('\n')
  t.match(plan, /Index Scan Backward using access_log_\d+_tenant_started_at/)
  t.notMatch(plan, /Seq Scan on access_log_\d+ e_[23]/)
})

t.test('garbage is no cursor', (t) => {
  for (const text of [
    '',
    'x',
    '####',
    'a'.repeat(500),
    Buffer.from('2026-01-01 00 x').toString('base64url'),
  ]) {
    t.equal(decodeCursor(text), null)
  }
  const bad = { startedAt: '2026-99-01T00:00:00.000000Z', id: '00000000-0000-4000-8000-000000000001' }
  t.equal(decodeCursor(encodeCursor(bad)), null)
  const cursor = { ...bad, startedAt: '2026-11-21T00:00:00.123456Z' }
  t.same(decodeCursor(encodeCursor(cursor)), cursor)
  t.end()
})

t.test('usage agrees with the entries, day by day', async (t) => {
  const rows: UsageRow[] = []
  const until = new Date(start.getTime() + 2 * DAY_MS)
  for await (const day of usageByDay(reader, { since: new Date(0), until })) rows.push(...day)
  t.equal(
    rows.reduce((sum, row) => sum + row.requests, 0),
    ROWS - 1,
  )
  const first = start.toISOString().slice(0, 10)
  const rare = rows.filter((row) => row.tenant === 'rare')
  t.match(rare, [
    { day: first, route: 'npm', requests: 99 },
    { requests: 100, errors_5xx: 100, errors_4xx: 0 },
  ])
  t.equal(
    rows.reduce((sum, row) => sum + row.bytes_received, 0),
    ((ROWS - 1) * ROWS) / 2,
  )
  t.equal(rows[0]?.bytes_sent, (rows[0]?.requests ?? 0) * 3_000_000_000)
  const one: UsageRow[] = []
  for await (const day of usageByDay(reader, { tenant: 'rare', since: start, until })) one.push(...day)
  t.same(one, rare)
})

t.test('the reader cannot write, and a slow report ends by itself', async (t) => {
  await t.rejects(reader`DELETE FROM access_log`, { code: '25006' })
  const hurried = openReader(target, { statementTimeoutMs: 50, max: 1 })
  t.teardown(() => closeSql(hurried, 1000))
  await t.rejects(hurried`SELECT pg_sleep(10)`, { code: '57014' })
})
