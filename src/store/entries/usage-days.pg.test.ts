import t from 'tap'
import { TimeZone } from '../../model/time-zone.ts'
import { ensurePartitions } from './partitions.ts'
import { rollUp } from '../figures/roll-up.ts'
import { finishMinutesBefore } from './minutes-before.ts'
import { closeSql, openReader } from '../sql.ts'
import { testDatabase } from '../../test/database.ts'
import { type TestEntry, TestInstance, untilSettled } from '../../test/ledger.ts'
import { usageByDay } from './usage.ts'

const { sql, target } = await testDatabase(t)
await sql.unsafe(`ALTER DATABASE "${target.database}" SET timezone = 'America/New_York'`)
const reader = openReader(target, { statementTimeoutMs: 30_000 })
t.teardown(() => closeSql(reader, 1000))

const HOUR_MS = 3_600_000
const DAY_MS = 86_400_000
/** Each hour of five days, in which clocks changed in New Zealand and on Lord Howe Island. */
const SINCE = Date.parse('2025-10-03T00:20Z')
const HOURS = 120
await ensurePartitions(sql, new Date(SINCE), 6)
const instance = new TestInstance(sql)
const entries = Array.from({ length: HOURS }, (_, i): TestEntry => ({
  startedAt: new Date(SINCE + i * HOUR_MS),
  tenant: 'acme',
}))
await instance.store(instance.seal(entries))

const ZONES = [
  'UTC',
  'Pacific/Auckland',
  'Australia/Lord_Howe',
  'Asia/Kathmandu',
  'America/New_York',
  'Pacific/Chatham',
]

/** What PostgreSQL says of its rows. */
async function truth(name: string): Promise<unknown> {
  const rows = await sql<{ days: Record<string, number> }[]>`
    SELECT jsonb_object_agg(day, n) AS days FROM (
      SELECT to_char(started_at AT TIME ZONE ${name}, 'YYYY-MM-DD') AS day, count(*) AS n FROM access_log GROUP BY 1) d`
  return rows[0]?.days
}

async function requestsByDay(name: string, tenant: { tenant?: string } = {}): Promise<unknown> {
  const timeZone = TimeZone.named(name)
  if (timeZone === null) throw new Error(name)
  const days: Record<string, number> = {}
  const range = { since: new Date(SINCE - 2 * DAY_MS), until: new Date(SINCE + 8 * DAY_MS) }
  for await (const rows of usageByDay(reader, { ...range, ...tenant, timeZone })) {
    for (const row of rows) days[row.day] = (days[row.day] ?? 0) + row.requests
  }
  return days
}

t.test('R29: usage has the days of the zone asked for, of rows and roll-ups alike', async (t) => {
  const expected = new Map<string, unknown>()
  for (const name of ZONES) expected.set(name, await truth(name))
  t.match(expected.get('Pacific/Auckland'), { '2025-10-04': 24 })
  t.match(expected.get('Australia/Lord_Howe'), { '2025-10-05': 23 }, 'a day of 23 hours and a half')
  const isEach = async (message: string): Promise<void> => {
    for (const name of ZONES) {
      t.same(await requestsByDay(name), expected.get(name), `${name}, ${message}`)
      t.same(await requestsByDay(name, { tenant: 'acme' }), expected.get(name), `${name}, ${message}, acme`)
    }
  }
  await isEach('rows')
  await untilSettled(sql)
  while ((await rollUp(sql)).state === 'more');
  await isEach('roll-ups')
  const end = new Date(SINCE + 8 * DAY_MS)
  await finishMinutesBefore(sql, end)
  await sql`TRUNCATE access_log`
  await isEach('roll-ups alone')
})
