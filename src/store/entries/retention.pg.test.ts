import t from 'tap'
import { AuditSum, type InstanceAudit } from '../../model/audit/audit.ts'
import { auditInstances } from '../audit/audit.ts'
import { registerInstance } from '../audit/instances.ts'
import { ensurePartitionFor, ensurePartitions } from './partitions.ts'
import {
  dropExpiredPartitions,
  readClock,
  readRetention,
  setRetention,
  settleRetention,
  type RetentionRun,
} from './retention.ts'
import { closeSql, openControl } from '../sql.ts'
import { testDatabase } from '../../test/database.ts'
import { TestInstance } from '../../test/ledger.ts'

const { sql, target } = await testDatabase(t)
const DAY_MS = 86_400_000

const { databaseMs } = await readClock(sql, Date.now)
const today = Math.floor(databaseMs / DAY_MS) * DAY_MS
/** The day so many days before the database's today. */
const day = (ago: number): Date => new Date(today - ago * DAY_MS)
const text = (ago: number): string => day(ago).toISOString().slice(0, 10)
const nameOf = (ago: number): string => `access_log_${text(ago).replaceAll('-', '')}`

function run(options: { now?: () => number; handle?: typeof sql } = {}): Promise<RetentionRun> {
  const { now = Date.now, handle = sql } = options
  return dropExpiredPartitions(handle, { by: 'gw-1', now, maxClockOffsetMs: 120_000 })
}

/** An instance with ten entries on each of the days, one batch a day, written then. */
async function store(ago: readonly number[], writtenAgo: readonly number[] = ago): Promise<TestInstance> {
  const instance = new TestInstance(sql)
  const startedAt = day(Math.max(...ago))
  await registerInstance(sql, {
    id: instance.id,
    host: 'gw-1',
    version: '0.1.0',
    startedAt,
    capacityEntries: 5000,
    journalMs: null,
  })
  for (const [i, n] of ago.entries()) {
    await ensurePartitionFor(sql, [text(n)])
    const entries = Array.from({ length: 10 }, () => ({
      tenant: 'acme',
      startedAt: new Date(day(n).getTime() + 1000),
    }))
    const batch = instance.seal(entries, { isFinal: i === ago.length - 1 })
    await instance.store(batch)
    const at = new Date(day(writtenAgo[i] ?? n).getTime() + 3000)
    await sql`UPDATE access_ledger SET written_at = ${at} WHERE instance = ${instance.id} AND batch = ${batch.number}`
    // The partitions of this test have been there since those days.
    await sql`UPDATE access_log_partitions SET made_at = ${new Date(at.getTime() - 4000)}
      WHERE partition = ${nameOf(n)} AND dropped_at IS NULL AND gone_at IS NULL AND made_at > ${at}`
  }
  return instance
}

async function audit(instance: TestInstance, isDeep = false): Promise<InstanceAudit> {
  for await (const one of auditInstances(sql, {}, { isDeep })) if (one.instance.id === instance.id) return one
  throw new Error('the instance is not in the audit')
}

async function present(): Promise<string[]> {
  const rows = await sql<{ name: string }[]>`
    SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = 'access_log'::regclass ORDER BY 1`
  return rows.map(({ name }) => name)
}

t.afterEach(async () => {
  for (const name of await present()) await sql`DROP TABLE ${sql(name)}`
  await sql`TRUNCATE access_log_partitions, access_log_retention, access_ledger, instances`
})

t.test('D1: a gateway whose clock is 40 days ahead, or behind, drops nothing', async (t) => {
  const instance = await store([2, 1, 0])
  await settleRetention(sql, 30, 'gw-1')
  for (const days of [40, -40]) {
    const held = await run({ now: () => Date.now() + days * DAY_MS })
    t.match(held, { dropped: [], held: 'clock_offset' })
    t.ok(Math.abs(held.offsetMs - days * DAY_MS) < 60_000)
  }
  t.match(await run(), { dropped: [], held: null })
  const sum = new AuditSum()
  sum.add(await audit(instance, true))
  t.match(sum.summary, { isComplete: true, total: { stored: 30, expired: 0 } })
})

t.test('D1: age is by the database; each drop leaves a row that tells of it', async (t) => {
  const instance = await store([40, 31, 2])
  await settleRetention(sql, 30, 'gw-1')
  // The day before 30 days ago has not ended 30 days ago.
  t.same((await run()).dropped, [nameOf(40), nameOf(31)])
  t.same(await present(), [nameOf(2)])
  const rows = await sql`
    SELECT partition, dropped_at > now() - interval '1 minute' AS is_now, dropped_by, retention_days, rows, instances
    FROM access_log_partitions WHERE dropped_at IS NOT NULL ORDER BY partition`
  t.match(rows, [
    {
      partition: nameOf(40),
      is_now: true,
      dropped_by: /^gw-1, as \w+$/,
      retention_days: 30,
      rows: 10,
      instances: { [instance.id]: [10, 10, 10] },
    },
    { partition: nameOf(31), rows: 10 },
  ])
  const one = await audit(instance, true)
  t.same(one.gaps, [])
  t.match(one.accounts, [{ accepted: 30, stored: 30, expired: 20 }])
  t.same((await run()).dropped, [])
})

t.test('D1: a partition that was dropped by hand is a gap, also when it is made anew', async (t) => {
  const instance = await store([5, 1])
  await sql`DROP TABLE ${sql(nameOf(5))}`
  const gap = { kind: 'rows_gone', entriesAtMost: 10, batches: [1, 1], line: new RegExp(nameOf(5)) }
  t.match((await audit(instance)).gaps, [gap])
  t.match((await audit(instance, true)).gaps, [gap])
  t.match((await audit(instance)).accounts, [{ stored: 20, expired: 0 }])
  await ensurePartitionFor(sql, [text(5)])
  t.match((await audit(instance)).gaps, [gap], 'an empty table of that name is not those rows')
  const late = await store([5], [0])
  t.same((await audit(late, true)).gaps, [], 'what is written into the new one is there')
  // Retention covers what it drops, and nothing that was gone before.
  await settleRetention(sql, 1, 'gw-1')
  await sql`UPDATE access_ledger SET written_at = now() - interval '26 hours' WHERE instance = ${late.id}`
  await sql`UPDATE access_log_partitions SET made_at = now() - interval '27 hours' WHERE partition = ${nameOf(5)} AND gone_at IS NULL`
  t.same((await run()).dropped, [nameOf(5)])
  t.match((await audit(instance)).gaps, [gap])
  t.match((await audit(late)).accounts, [{ expired: 10 }])
  t.same((await audit(late)).gaps, [])
})

t.test('D1: a clock of the database that steps back, or a restored dump, raises no alarm', async (t) => {
  const instance = await store([1])
  // Written after the making, by a clock that was set back meanwhile.
  await sql`UPDATE access_log_partitions SET made_at = now() + interval '1 hour'`
  t.same((await audit(instance, true)).gaps, [])
  // Restored on a server whose transactions have come further.
  await sql`UPDATE access_ledger SET written_xid = '3', written_at = now()`
  await sql`UPDATE access_log_partitions SET made_at = now() - interval '1 hour'`
  t.same((await audit(instance, true)).gaps, [])
})

t.test('D1: rows that retention did not find in what it dropped are a gap', async (t) => {
  const instance = await store([9, 1])
  await sql`DELETE FROM access_log WHERE seq IN (1, 2, 3)`
  await settleRetention(sql, 3, 'gw-1')
  t.same((await run()).dropped, [nameOf(9)])
  t.match((await audit(instance)).gaps, [{ kind: 'rows_gone', entries: 3, line: new RegExp(nameOf(9)) }])
  const filter = { since: day(1) }
  for await (const one of auditInstances(sql, filter)) t.same(one.gaps, [], 'of that day, and of no other')
})

t.test('D1: rows that were stamped far from when they were stored are kept as long as others', async (t) => {
  // A gateway whose clock was behind, one whose clock was ahead, and a segment that was replayed after 50 days.
  const instances = [await store([9000], [3]), await store([-800], [3]), await store([50], [3])]
  await settleRetention(sql, 30, 'gw-1')
  t.same((await run()).dropped, [])
  for (const instance of instances) t.same((await audit(instance, true)).gaps, [])
  await sql`UPDATE access_ledger SET written_at = now() - interval '31 days'`
  await sql`UPDATE access_log_partitions SET made_at = now() - interval '32 days'`
  t.same((await run()).dropped.sort(), [nameOf(9000), nameOf(50), nameOf(-800)])
  for (const instance of instances) t.match((await audit(instance)).accounts, [{ expired: 10 }])
  const [state] = await sql<{ is_past: boolean }[]>`
    SELECT first_minute * 60 < extract(epoch FROM now()) AS is_past FROM access_minutes_state`
  t.equal(state?.is_past, true, 'no roll-up of a day to come is final')
})

t.test(
  "D1: a jump of the database's clock holds retention for a day, and a step back ends that",
  async (t) => {
    await store([40])
    await settleRetention(sql, 30, 'gw-1')
    // As if the last run had been at another time by this clock.
    const seenAt = (interval: string) =>
      sql`UPDATE access_log_retention SET clock_seen_at = now() + ${interval}::text::interval`
    await seenAt('-26 hours')
    t.match(await run(), { dropped: [], held: 'clock_jump' })
    t.match(await run(), { dropped: [], held: 'clock_jump' }, 'the next run does not forget it')
    await seenAt('40 days')
    t.same((await run()).dropped, [nameOf(40)])
  },
)

t.test('D1: retention is stored once: the longest of all gateways, or what a command has said', async (t) => {
  t.equal(await readRetention(sql), null)
  t.same(await settleRetention(sql, 30, 'gw-1'), { days: 30, isExplicit: false })
  t.same(await settleRetention(sql, 1, 'gw-2'), { days: 30, isExplicit: false })
  t.same(await settleRetention(sql, 90, 'gw-3'), { days: 90, isExplicit: false })
  await store([40])
  t.same((await run()).dropped, [])
  await setRetention(sql, 7, 'alice')
  t.same(await settleRetention(sql, 90, 'gw-3'), { days: 7, isExplicit: true })
  t.same((await run()).dropped, [nameOf(40)])
})

t.test('D1: what was detached to be dropped, and is to be kept after all, is given back', async (t) => {
  const instance = await store([40])
  await setRetention(sql, 30, 'test')
  // A run that was killed between its two steps.
  await sql`UPDATE access_log_partitions SET expiring_at = now()`
  await sql`ALTER TABLE access_log DETACH PARTITION ${sql(nameOf(40))}`
  t.same((await audit(instance)).gaps, [], 'no alarm meanwhile')
  await setRetention(sql, 60, 'test')
  t.same((await run()).dropped, [])
  t.same(await present(), [nameOf(40)])
  t.match((await audit(instance, true)).accounts, [{ stored: 10, expired: 0 }])
})

t.test('a day that is read is left, and dropped later; several processes may drop at once', async (t) => {
  await store([40])
  await settleRetention(sql, 30, 'gw-1')
  await ensurePartitions(sql, day(1), 2)
  await sql.begin(async (reader) => {
    await reader`SELECT count(*) FROM access_log`
    const impatient = openControl(target, { max: 1 })
    t.teardown(() => closeSql(impatient, 1000))
    await impatient`SET lock_timeout = '50ms'`
    await t.rejects(run({ handle: impatient }), { code: 'partition_failed', message: new RegExp(nameOf(40)) })
    await t.resolves(store([1]), 'writers go on')
  })
  const handles = Array.from({ length: 3 }, () => openControl(target, { max: 1 }))
  t.teardown(() => Promise.all(handles.map((handle) => closeSql(handle, 1000))))
  const runs = await Promise.all(handles.map((handle) => run({ handle })))
  t.same(
    runs.flatMap(({ dropped }) => dropped),
    [nameOf(40)],
  )
  const drops = await sql`SELECT FROM access_log_partitions WHERE dropped_at IS NOT NULL`
  t.equal(drops.length, 1)
})
