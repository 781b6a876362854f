import t from 'tap'
import { TimeZone } from '../../model/time-zone.ts'
import { testDatabase } from '../../test/database.ts'
import { type TestEntry, TestInstance, untilSettled } from '../../test/ledger.ts'
import { ensurePartitions } from '../entries/partitions.ts'
import { usageByDay } from '../entries/usage.ts'
import { closeSql, openReader } from '../sql.ts'
import { boundFigures } from './bounds.ts'
import { rollUp } from './roll-up.ts'
import { groupUsage, type UsageDimension, type UsageGroup } from './usage-groups.ts'

const { sql, target } = await testDatabase(t)
const reader = openReader(target, { statementTimeoutMs: 30_000 })
t.teardown(() => closeSql(reader, 1000))

const DAY_MS = 86_400_000
const HOUR_MS = 3_600_000
/** Days of which no hour is the hour of a UTC day. */
const kathmandu = TimeZone.named('Asia/Kathmandu') ?? TimeZone.UTC
const midnight = Math.floor(Date.now() / DAY_MS) * DAY_MS
const first = midnight - 5 * DAY_MS
await ensurePartitions(sql, new Date(first), 6)
const instance = new TestInstance(sql)

/** Three entries an hour of three tenants. */
const entries: TestEntry[] = []
for (let hour = 0; hour < 5 * 24; hour++) {
  for (const tenant of ['acme', 'globex', '']) {
    entries.push({
      tenant,
      startedAt: new Date(first + hour * HOUR_MS + (hour % 60) * 60_000),
      route: hour % 3 === 0 ? 'npm' : 'files',
      bytes: hour,
      ...(hour % 7 === 0 ? { status: 429, outcome: 'rate_limited' } : { upstream: 'up:80', status: 200 }),
    })
  }
}
await instance.store(instance.seal(entries))

async function catchUp(): Promise<void> {
  await untilSettled(sql)
  while ((await rollUp(sql)).state === 'more');
}
await catchUp()

const all = { since: new Date(first), until: new Date(midnight + DAY_MS), limit: 10_000 }
const dueDays = async (): Promise<number[]> =>
  (await sql<{ minute: number }[]>`SELECT minute FROM figures_usage_days_due ORDER BY minute`).map(
    ({ minute }) => (minute * 60_000 - first) / DAY_MS,
  )

async function requestsOf(query: Partial<Parameters<typeof groupUsage>[1]>): Promise<number> {
  const { groups } = await groupUsage(reader, { ...all, by: [], ...query })
  return groups.reduce((sum, { requests, refused }) => sum + requests + refused, 0)
}

/** What of a day is not the sum of its rows, so that it shows where usage was read from. */
const MARK = 1_000_000

/** Runs `work` while the day's sums are too large by `MARK`. */
async function marked<T>(day: number, work: () => Promise<T>): Promise<T> {
  const minute = first / 60_000 + day * 1440
  const [row] = await sql<{ row: string }[]>`
    UPDATE figures_usage_days SET n = n + ${MARK} WHERE ctid = (
      SELECT min(ctid) FROM figures_usage_days WHERE minute = ${minute} AND tenant = 'acme')
    RETURNING ctid::text AS row`
  try {
    return await work()
  } finally {
    await sql`UPDATE figures_usage_days SET n = n - ${MARK} WHERE ctid = ${row?.row ?? ''}::text::tid`
  }
}

t.test('whole days are read from their sums, and what a range cuts is not', async (t) => {
  t.equal(await marked(1, () => requestsOf({})), MARK + entries.length)
  t.equal(await marked(1, () => requestsOf({ tenant: 'acme' })), MARK + entries.length / 3)
  const cut = { since: new Date(first + DAY_MS + 1), until: new Date(first + 3 * DAY_MS) }
  t.equal(await marked(1, () => requestsOf(cut)), 144)
  t.equal(await marked(2, () => requestsOf(cut)), MARK + 144)
  t.equal(await marked(1, () => requestsOf({ by: ['key'] })), entries.length, 'keys are not known of days')
  const zone = { by: ['day'], timeZone: kathmandu } as const
  t.equal(await marked(1, () => requestsOf(zone)), entries.length, 'nor days of another zone')
  const byDay = async (timeZone: TimeZone): Promise<number> => {
    let n = 0
    for await (const rows of usageByDay(reader, { ...all, timeZone }))
      for (const { requests, refused_limit: refused } of rows) n += requests + refused
    return n
  }
  t.equal(await marked(1, () => byDay(TimeZone.UTC)), MARK + entries.length)
  t.equal(await marked(1, () => byDay(kathmandu)), entries.length)
})

t.test('sums of days and quarters of an hour give the same groups', async (t) => {
  const sets: UsageDimension[][] = [['tenant'], ['route', 'outcome'], ['day', 'class'], ['month', 'tenant']]
  for (const by of sets) {
    for (const offset of [0, 7 * HOUR_MS + 1]) {
      const range = { ...all, since: new Date(first + offset) }
      const whole = (await groupUsage(reader, { ...range, by })).groups
      const parts = new Map<string, Record<string, unknown>>()
      // With a reason quarters of an hour are read.
      for (const group of (await groupUsage(reader, { ...range, by: [...by, 'reason'] })).groups) {
        const key = by.map((name) => group[name]).join(' ')
        const sum = parts.get(key) ?? {}
        for (const [name, value] of Object.entries(group))
          if (name !== 'reason')
            sum[name] = typeof value === 'number' ? Number(sum[name] ?? 0) + value : value
        parts.set(key, sum)
      }
      const order = (groups: readonly object[]) => groups.map((group) => JSON.stringify(group)).sort()
      t.same(order(whole), order([...parts.values()] as UsageGroup[]), by.join())
    }
  }
})

t.test('a day that a late batch touches is read from its quarters until it is summed anew', async (t) => {
  const late = { tenant: 'late', startedAt: new Date(first + DAY_MS + HOUR_MS), upstream: 'up:80' }
  await instance.store(instance.seal([late]))
  t.equal(await marked(1, () => requestsOf({})), entries.length + 1, 'before any run')
  await catchUp()
  t.same(await dueDays(), [])
  t.equal(await marked(1, () => requestsOf({})), MARK + entries.length + 1)
  t.equal(await requestsOf({ tenant: 'late' }), 1)
})

t.test('what a program of before writes of a day has it summed anew', async (t) => {
  const minute = first / 60_000 + 2 * 1440
  await sql`
    INSERT INTO figures_usage (bytes_received, bytes_sent, minute, n, status_class, refusal, tenant, key_id, route, outcome, reason)
    VALUES (1, 1, ${minute}, 5, 2, '', 'before', '', 'npm', 'forwarded', '')`
  t.same(await dueDays(), [2])
  t.equal(await requestsOf({ tenant: 'before' }), 5)
  await catchUp()
  t.equal(await requestsOf({ tenant: 'before' }), 5)
  await sql`DELETE FROM figures_usage WHERE tenant = 'before'`
  t.equal(await requestsOf({ tenant: 'before' }), 0)
  await catchUp()
  t.equal(await requestsOf({ tenant: 'before' }), 0)
  t.same(await sql`SELECT FROM figures_usage_days WHERE tenant = 'before'`, [])
})

t.test('a day under way is not summed', async (t) => {
  await instance.store(instance.seal([{ tenant: 'today', startedAt: new Date(midnight) }]))
  // As a run of a quarter of an hour later would have it.
  await sql`
    INSERT INTO figures_usage (bytes_received, bytes_sent, minute, n, status_class, refusal, tenant, key_id, route, outcome, reason)
    VALUES (1, 1, ${midnight / 60_000 + 1439}, 1, 2, '', 'tonight', '', 'npm', 'forwarded', '')`
  await catchUp()
  t.same(await dueDays(), [5])
  t.same(await sql`SELECT FROM figures_usage_days WHERE minute >= ${midnight / 60_000}`, [])
  await sql`DELETE FROM figures_usage WHERE tenant = 'tonight'`
})

t.test('days whose usage is past its retention go with it', async (t) => {
  await sql`DELETE FROM access_log WHERE started_at < ${new Date(first + 2 * DAY_MS)}`
  await sql`UPDATE access_minutes_state SET first_minute = ${first / 60_000 + 2 * 1440}`
  await boundFigures(sql, { minutesDays: 90, tenantMinutesDays: 90, packagesDays: 90, days: 4 })
  await catchUp()
  const minutes = await sql<{ day: number }[]>`
    SELECT DISTINCT (minute - ${first / 60_000}::int) / 1440 AS day FROM figures_usage_days ORDER BY 1`
  t.same(
    minutes.map(({ day }) => day),
    [1, 2, 3, 4],
  )
})
