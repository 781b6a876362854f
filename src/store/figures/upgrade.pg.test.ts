import t from 'tap'
import { finishMinutesBefore } from '../entries/minutes-before.ts'
import { ensurePartitions } from '../entries/partitions.ts'
import { type UsageRow, usageByDay } from '../entries/usage.ts'
import { closeSql, openReader } from '../sql.ts'
import { testDatabase } from '../../test/database.ts'
import { type TestEntry, TestInstance, untilSettled } from '../../test/ledger.ts'
import { boundFigures } from './bounds.ts'
import { rollUp } from './roll-up.ts'

const { sql, target } = await testDatabase(t)
const reader = openReader(target, { statementTimeoutMs: 30_000 })
t.teardown(() => closeSql(reader, 1000))

const DAY_MS = 86_400_000
const first = Math.floor(Date.now() / DAY_MS) * DAY_MS - 3 * DAY_MS
await ensurePartitions(sql, new Date(first), 4)

const ENTRIES: readonly Partial<TestEntry>[] = [
  { tenant: 'acme', upstream: 'up:80', status: 200, bytes: 7 },
  { tenant: 'acme', upstream: 'up:80', status: 404, bytes: 1 },
  { tenant: 'acme', outcome: 'rate_limited', status: 429, bytes: 100 },
  { tenant: 'globex', outcome: 'unauthenticated', status: 401, bytes: 20 },
  { tenant: '', outcome: 'not_ready', status: 503, bytes: 3, route: '' },
]

async function store(day: number): Promise<void> {
  const instance = new TestInstance(sql)
  const entries: TestEntry[] = []
  for (const entry of ENTRIES) {
    for (const second of [0, 61, 4000]) {
      const startedAt = new Date(first + day * DAY_MS + second * 1000)
      entries.push({ tenant: 'acme', ...entry, startedAt })
    }
  }
  await instance.store(instance.seal(entries))
}

/** What a program of before has made of all rows. */
async function keepMinutes(): Promise<void> {
  await sql`
    INSERT INTO access_minutes (minute, tenant, route, status_class, n, bytes_received, bytes_sent, durations, refused_auth, refused_limit,
      refused_other, refused_received, refused_sent, counted)
    SELECT floor(extract(epoch FROM started_at) / 60), coalesce(tenant, ''), coalesce(route, ''), status / 100, count(*),
      sum(bytes_received), sum(bytes_sent), '{}', count(*) FILTER (WHERE outcome = 'unauthenticated'),
      count(*) FILTER (WHERE outcome = 'rate_limited'), count(*) FILTER (WHERE outcome = 'not_ready'),
      coalesce(sum(bytes_received) FILTER (WHERE upstream IS NULL), 0), coalesce(sum(bytes_sent) FILTER (WHERE upstream IS NULL), 0), count(*)
    FROM access_log GROUP BY 1, 2, 3, 4`
  await sql`
    UPDATE access_minutes_state SET is_complete = true, horizon = pg_snapshot_xmin(pg_current_snapshot()), updated_at = now()`
}

async function usage(): Promise<UsageRow[]> {
  const rows: UsageRow[] = []
  const range = { since: new Date(first), until: new Date(first + 3 * DAY_MS) }
  for await (const chunk of usageByDay(reader, range)) rows.push(...chunk)
  return rows
}

const isComplete = async (): Promise<unknown> =>
  (await sql`SELECT figures_complete FROM access_minutes_state`)[0]?.['figures_complete']

t.test(
  'usage is the same before, while and after the figures take the place of access_minutes',
  async (t) => {
    for (const day of [0, 1]) await store(day)
    await untilSettled(sql)
    const before = await usage()
    t.equal(before.length, 6)
    await keepMinutes()
    await finishMinutesBefore(sql, new Date(first + DAY_MS))
    await sql`DELETE FROM access_log WHERE started_at < ${new Date(first + DAY_MS)}`
    t.same(await usage(), before, 'a day is in access_minutes alone')
    await untilSettled(sql)
    t.equal((await rollUp(sql)).state, 'more')
    t.equal(await isComplete(), false)
    t.same(await usage(), before, 'while the figures are computed')
    await store(2)
    const later = await usage()
    t.same(later.slice(0, before.length), before)
    t.equal(later.length, before.length + 3, 'with what is stored meanwhile')
    await untilSettled(sql)
    while ((await rollUp(sql)).state !== 'caught_up');
    t.equal(await isComplete(), true)
    t.same(await usage(), later)
    await sql`UPDATE access_minutes SET n = 1000`
    t.same(await usage(), later, 'of figures alone')
  },
)

t.test(
  'access_minutes is given up a day after the last program of before, but for what it has alone',
  async (t) => {
    const retention = { minutesDays: 90, tenantMinutesDays: 7, packagesDays: 90, days: 800 }
    const left = async (): Promise<number> =>
      (await sql`SELECT FROM access_minutes WHERE minute >= ${(first + DAY_MS) / 60_000}`).length
    const before = await usage()
    await boundFigures(sql, retention)
    t.ok((await left()) > 0, 'one may be at work')
    await sql`UPDATE access_minutes_state SET updated_at = now() - interval '25 hours'`
    await boundFigures(sql, retention)
    t.equal(await left(), 0)
    t.ok((await sql`SELECT FROM access_minutes`).length > 0)
    t.match(await sql`SELECT is_complete, horizon::text FROM access_minutes_state`, [
      { is_complete: false, horizon: '0' },
    ])
    t.same(await usage(), before)
  },
)

t.test('what a program of before stores from quarantine is rolled up', async (t) => {
  const minute = (first + 2 * DAY_MS) / 60_000 + 7
  await sql`INSERT INTO access_minutes_stale (minute) VALUES (${minute})`
  const due = await sql`SELECT grain, slot FROM figures_due ORDER BY grain`
  t.same(due, [
    { grain: 1, slot: minute },
    { grain: 15, slot: minute - 7 },
    { grain: 60, slot: minute - 7 },
    { grain: 1440, slot: minute - 7 },
  ])
})
