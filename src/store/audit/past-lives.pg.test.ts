import { randomUUID } from 'node:crypto'
import t from 'tap'
import { AuditSum, type AuditSummary, type InstanceAudit } from '../../model/audit/audit.ts'
import { auditInstances, type AuditFilter } from './audit.ts'
import { endInstance, registerInstance } from './instances.ts'
import { foldLedger } from './ledger-fold.ts'
import { tellLives } from './lives.ts'
import { ensurePartitions } from '../entries/partitions.ts'
import { foldLives } from './past-lives.ts'
import { dropExpiredPartitions, readClock, setRetention } from '../entries/retention.ts'
import { rollUp } from '../figures/roll-up.ts'
import { testDatabase } from '../../test/database.ts'
import { TestInstance, untilSettled } from '../../test/ledger.ts'

const { sql } = await testDatabase(t)
const DAY_MS = 86_400_000
const { databaseMs } = await readClock(sql, Date.now)
const today = Math.floor(databaseMs / DAY_MS) * DAY_MS
const noon = (ago: number): Date => new Date(today - ago * DAY_MS + DAY_MS / 2)

t.beforeEach(async () => {
  const rows = await sql<{ name: string }[]>`
    SELECT c.relname AS name FROM pg_class c WHERE c.relname ~ '^access_log_[0-9]{8}$'`
  for (const { name } of rows) await sql`DROP TABLE ${sql(name)}`
  await sql`TRUNCATE access_log_partitions, access_log_retention, access_ledger, access_checkpoints, access_past_lives,
    instances, instance_links, quarantine`
  await ensurePartitions(sql, noon(10), 13)
  await sql`UPDATE access_log_partitions SET made_at = '-infinity'`
})

/** A life of that day, with two batches of 10 entries and 3 drops; or with none. */
async function life(
  ago: number,
  parts: { batches?: number; hasEnded?: boolean } = {},
): Promise<TestInstance> {
  const { batches = 2, hasEnded = true } = parts
  const instance = new TestInstance(sql)
  const { id } = instance
  await registerInstance(sql, {
    id,
    host: 'gw-1',
    version: '1',
    startedAt: noon(ago),
    capacityEntries: 50,
    journalMs: null,
  })
  for (let i = 1; i <= batches; i++) {
    const entries = Array.from({ length: 10 }, () => ({ tenant: 'acme', startedAt: noon(ago) }))
    const drops = i === 1 ? { dropped: { acme: { channel_full: 3 } } } : {}
    await instance.store(instance.seal(entries, { isFinal: hasEnded && i === batches, ...drops }))
  }
  await sql`UPDATE access_ledger SET written_at = ${noon(ago)} WHERE instance = ${id}`
  if (hasEnded) await endInstance(sql, id, { acceptedSeq: instance.acceptedSeq, spilledEntries: 0 })
  await sql`
    UPDATE instances SET last_seen_at = ${noon(ago)}, ended_at = CASE WHEN ${hasEnded} THEN ${noon(ago)} END WHERE id = ${id}`
  return instance
}

async function expire(): Promise<void> {
  await untilSettled(sql)
  while ((await rollUp(sql)).state !== 'caught_up');
  await setRetention(sql, 3, 'the test')
  await dropExpiredPartitions(sql, { by: 'the test', now: Date.now, maxClockOffsetMs: Infinity })
}

async function fold(): Promise<number> {
  await expire()
  await foldLedger(sql, { ledgerDays: 3 })
  return await foldLives(sql, { livesDays: 3 })
}

async function audited(filter: AuditFilter = {}): Promise<{ all: InstanceAudit[]; summary: AuditSummary }> {
  const all: InstanceAudit[] = []
  const sum = new AuditSum()
  for await (const one of auditInstances(sql, filter, { isCounted: true })) {
    all.push(one)
    sum.add(one)
  }
  return { all, summary: sum.summary }
}

const countOf = async (table: string): Promise<number> =>
  (await sql<{ n: number }[]>`SELECT count(*) AS n FROM ${sql(table)}`)[0]?.n ?? 0

t.test('D8: lives that ended in order long ago become one sum, with the same figures', async (t) => {
  for (const ago of [9, 8, 7]) await life(ago)
  await life(6, { batches: 0 })
  const recent = await life(1)
  await expire()
  const { summary: before } = await audited()
  t.match(before, {
    instanceCount: 5,
    batches: 8,
    total: { accepted: 92, stored: 80, dropped: { channel_full: 12 } },
  })
  t.equal(await fold(), 4)
  const { all, summary: after } = await audited()
  const { instanceCount, batches, waiting, isComplete, tenants, total } = before
  t.match(after, { instanceCount, batches, waiting, isComplete, foldedBatches: 6, isCutByFold: false })
  t.same([after.total, after.tenants], [total, tenants])
  t.equal(after.total.expired, 60)
  t.same(
    all.map(({ instance, lives, gaps }) => [
      instance.id.slice(0, 8),
      lives,
      gaps.map(({ entries }) => entries),
    ]),
    [
      ['00000000', 4, [9]],
      [recent.id.slice(0, 8), undefined, [3]],
    ],
    'drops stay named',
  )
  t.equal(await countOf('instances'), 1)
  t.equal(await countOf('access_checkpoints'), 0)
  t.equal(await fold(), 0)
})

t.test('D8: a window that begins among them is said to be cut, one behind them is whole', async (t) => {
  for (const ago of [9, 6]) await life(ago)
  await life(1)
  await fold()
  t.match((await audited({ since: noon(7) })).summary, {
    isCutByFold: true,
    instanceCount: 1,
    batchesSince: noon(6),
  })
  t.match((await audited({ since: noon(2) })).summary, {
    isCutByFold: false,
    instanceCount: 1,
    batchesSince: null,
  })
  t.match((await audited({ until: noon(4) })).summary, {
    isCutByFold: false,
    instanceCount: 2,
    foldedBatches: 4,
  })
})

t.test('D8: a life of which anything is amiss stays, one by one', async (t) => {
  const died = await life(9, { hasEnded: false })
  const holed = await life(8)
  await sql`DELETE FROM access_ledger WHERE instance = ${holed.id} AND batch = 1`
  const empty = await life(7, { batches: 0 })
  await sql`UPDATE instances SET accepted_seq = 5 WHERE id = ${empty.id}`
  const short = await life(6)
  await sql`DELETE FROM access_log WHERE instance = ${short.id} AND seq = 1`
  const lost = await life(5)
  await tellLives(sql, randomUUID(), [{ ...toldOf(lost), batch: 3, settled: 30 }])
  const { all: before } = await audited()
  t.equal(await fold(), 0)
  const { all: after } = await audited()
  const named = (audits: readonly InstanceAudit[]): unknown =>
    new Set(audits.flatMap(({ gaps }) => gaps.map(({ instance, kind }) => `${instance} ${kind}`)))
  t.same(
    new Set([...(named(after) as Set<string>)].filter((gap) => !gap.endsWith('dropped'))),
    new Set([
      `${died.id} died`,
      `${holed.id} missing_batches`,
      `${empty.id} missing_batches`,
      `${short.id} rows_gone`,
      `${lost.id} missing_batches`,
    ]),
  )
  t.equal(after.length, before.length)
})

function toldOf({ id, acceptedSeq }: TestInstance) {
  const ms = noon(5).getTime()
  return {
    instance: id,
    host: 'gw-1',
    batch: 2,
    digest: 'ab'.repeat(32),
    settled: acceptedSeq,
    firstAtMs: ms,
    lastAtMs: ms,
  }
}

t.test(
  'D5, D8: a folder that remembers a life of that time accuses nobody, and what had vanished stays named',
  async (t) => {
    const [past, vanished] = [await life(9), await life(8)]
    await tellLives(sql, randomUUID(), [toldOf(vanished)])
    await sql`DELETE FROM instances WHERE id = ${vanished.id}`
    await sql`DELETE FROM access_ledger WHERE instance = ${vanished.id}`
    await life(5)
    t.equal(await fold(), 2)
    await tellLives(sql, randomUUID(), [toldOf(past)])
    const { all } = await audited()
    t.same(
      all.flatMap(({ gaps }) =>
        gaps.filter(({ kind }) => kind !== 'dropped').map(({ kind, instance }) => [kind, instance]),
      ),
      [['vanished', vanished.id]],
    )
  },
)

t.test('D8: batches that are summed up while an audit reads are missed by none', async (t) => {
  await life(9)
  await life(8)
  await expire()
  const sum = new AuditSum()
  for await (const one of auditInstances(sql, {})) {
    sum.add(one)
    await foldLedger(sql, { ledgerDays: 3 })
  }
  t.match(
    sum.summary,
    { instanceCount: 2, gapCount: 2, batches: 4, total: { stored: 40 } },
    'but for the drops',
  )
})
