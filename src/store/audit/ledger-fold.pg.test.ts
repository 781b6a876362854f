import fc from 'fast-check'
import t from 'tap'
import { AuditSum, type InstanceAudit } from '../../model/audit/audit.ts'
import { auditInstances, type AuditFilter } from './audit.ts'
import { endInstance, registerInstance, touchInstance } from './instances.ts'
import { foldLedger, type FoldRun } from './ledger-fold.ts'
import { findLost, readLogState, tellLives, tellSeen } from './lives.ts'
import { ensurePartitions } from '../entries/partitions.ts'
import { dropQuarantined, listQuarantine, retryQuarantined } from '../entries/quarantine.ts'
import { dropExpiredPartitions, readClock, setRetention } from '../entries/retention.ts'
import { rollUp } from '../figures/roll-up.ts'
import { openControl, closeSql } from '../sql.ts'
import { testDatabase } from '../../test/database.ts'
import { TestInstance, untilSettled } from '../../test/ledger.ts'

const { sql, target } = await testDatabase(t)
const DAY_MS = 86_400_000
const { databaseMs } = await readClock(sql, Date.now)
const today = Math.floor(databaseMs / DAY_MS) * DAY_MS
/** Noon of the day so many days before the database's today. */
const noon = (ago: number): Date => new Date(today - ago * DAY_MS + DAY_MS / 2)

/** Rows of days before this one are dropped by these tests. */
const KEPT_DAYS = 3

async function reset(): Promise<void> {
  const rows = await sql<{ name: string }[]>`
    SELECT c.relname AS name FROM pg_class c WHERE c.relname ~ '^access_log_[0-9]{8}$'`
  for (const { name } of rows) await sql`DROP TABLE ${sql(name)}`
  await sql`TRUNCATE access_log_partitions, access_log_retention, access_ledger, access_checkpoints, instances, instance_links, quarantine`
  await ensurePartitions(sql, noon(10), 13)
  await sql`UPDATE access_log_partitions SET made_at = '-infinity'`
}

interface Sealed {
  readonly ago: number
  readonly acme: number
  readonly globex: number
  readonly dropped: number
  readonly cut: 'none' | 'stored' | 'dropped' | 'waiting'
}

/** Stores batches, written on their days; what is cut goes to quarantine, and is decided on. */
async function store(
  batches: readonly Sealed[],
  end: 'final' | 'died' | 'live' = 'final',
): Promise<TestInstance> {
  const instance = new TestInstance(sql)
  const startedAt = noon(Math.max(...batches.map(({ ago }) => ago)))
  const capacityEntries = 5000
  await registerInstance(sql, {
    id: instance.id,
    host: 'gw-1',
    version: '1',
    startedAt,
    capacityEntries,
    journalMs: null,
  })
  for (const [i, { ago, acme, globex, dropped, cut }] of batches.entries()) {
    const isFinal = end === 'final' && i === batches.length - 1
    const entries = ['acme', 'globex'].flatMap((tenant, n) =>
      Array.from({ length: n === 0 ? acme : globex }, () => ({ tenant, startedAt: noon(ago) })),
    )
    const drops = dropped === 0 ? {} : { dropped: { globex: { channel_full: dropped } } }
    const batch = instance.seal(entries, { isFinal, ...drops })
    await instance.store(batch, cut === 'none' || entries.length === 0 ? [] : [0])
    await sql`UPDATE access_ledger SET written_at = ${noon(ago)} WHERE instance = ${instance.id} AND batch = ${batch.number}`
    for await (const rows of listQuarantine(sql, {})) {
      for (const { id, instance: of, seq } of rows) {
        if (of !== instance.id || seq !== batch.rows[0]?.seq || cut === 'waiting') continue
        if (cut === 'stored') await retryQuarantined(sql, id)
        else await dropQuarantined(sql, id)
      }
    }
  }
  const figures = { acceptedSeq: instance.acceptedSeq, spilledEntries: 0 }
  if (end === 'final') await endInstance(sql, instance.id, figures)
  else await touchInstance(sql, instance.id, figures)
  if (end === 'died')
    await sql`UPDATE instances SET last_seen_at = ${noon(0)} - interval '2 days' WHERE id = ${instance.id}`
  return instance
}

async function settle(): Promise<void> {
  await untilSettled(sql)
  while ((await rollUp(sql)).state !== 'caught_up');
}

async function expire(): Promise<void> {
  await settle()
  await setRetention(sql, KEPT_DAYS, 'the test')
  await dropExpiredPartitions(sql, { by: 'the test', now: Date.now, maxClockOffsetMs: Infinity })
}

const fold = (ledgerDays = KEPT_DAYS): Promise<FoldRun> => foldLedger(sql, { ledgerDays })

async function audited(filter: AuditFilter = {}): Promise<InstanceAudit[]> {
  const all: InstanceAudit[] = []
  for await (const one of auditInstances(sql, filter, { isCounted: true })) all.push(one)
  return all
}

/** All that an audit says, but for how much of it is known in sum. */
function figuresOf(audits: readonly InstanceAudit[]) {
  const sum = new AuditSum()
  for (const one of audits) sum.add(one)
  const { foldedBatches: _, batchesSince: __, isCutByFold, ...summary } = sum.summary
  const byTenant = (a: { tenant: string }, b: { tenant: string }): number => (a.tenant < b.tenant ? -1 : 1)
  const byLine = (a: { line: string }, b: { line: string }): number => (a.line < b.line ? -1 : 1)
  const instances = audits.map(({ folded: ___, settledTo: ____, accounts, gaps, ...one }) => ({
    ...one,
    gaps: [...gaps].sort(byLine),
    accounts: [...accounts].sort(byTenant),
  }))
  return { isCutByFold, figures: { summary: { ...summary, settledTo: null }, instances } }
}

const ledgerOf = async (instance: TestInstance): Promise<number[]> =>
  (
    await sql<{ batch: number }[]>`SELECT batch FROM access_ledger WHERE instance = ${instance.id} ORDER BY 1`
  ).map(({ batch }) => batch)

const plain = (ago: number): Sealed => ({ ago, acme: 3, globex: 2, dropped: 0, cut: 'none' })

t.beforeEach(reset)

t.test('D8: batches whose rows have expired become one row, and the chain goes on', async (t) => {
  const instance = await store([8, 7, 6, 1, 0].map(plain))
  await expire()
  const before = figuresOf(await audited())
  t.match(before.figures.summary, {
    isComplete: true,
    batches: 5,
    total: { accepted: 25, stored: 25, expired: 15 },
  })
  t.same(await fold(), { batches: 3, state: 'done' })
  t.same(await ledgerOf(instance), [4, 5])
  t.same(figuresOf(await audited()), before)
  t.match(await audited(), [{ folded: { batches: 3, to: noon(6), isCounted: true } }])
  t.same(await fold(), { batches: 0, state: 'done' }, 'once')
  await sql`UPDATE access_checkpoints SET accepted_seq = accepted_seq + 1`
  t.match((await audited())[0]?.gaps, [{ kind: 'unaccounted' }], 'what follows is checked against it')
  await sql`UPDATE access_checkpoints SET accepted_seq = accepted_seq - 1, digest = sha256('x')`
  t.match((await audited())[0]?.gaps, [{ kind: 'chain_broken', batches: [4, 4] }])
})

t.test('D8: what is not old, not expired, or not settled stays', async (t) => {
  const instance = await store([9, 7, 6, 5, 1].map(plain))
  await settle()
  t.same(await fold(), { batches: 0, state: 'done' }, 'rows are there')
  await expire()
  // Nine days and seven ago, at noon: apart from eight at any hour.
  t.same(await fold(8), { batches: 1, state: 'done' }, 'of the age')
  await sql`UPDATE access_minutes_state SET figures_horizon = (SELECT written_xid FROM access_ledger WHERE batch = 3)`
  t.same(await fold(), { batches: 1, state: 'done' }, 'of what the roll-ups have taken in')
  t.same(await ledgerOf(instance), [3, 4, 5])
  await sql`UPDATE access_minutes_state SET figures_horizon = '0'`
})

t.test('D8: a gap is never folded away, nor anything after it', async (t) => {
  const gaps = {
    missing_batches: async (i: TestInstance) =>
      void (await sql`DELETE FROM access_ledger WHERE instance = ${i.id} AND batch = 2`),
    chain_broken: async (i: TestInstance) =>
      void (await sql`UPDATE access_ledger SET bytes = bytes + 1 WHERE instance = ${i.id} AND batch = 2`),
    unaccounted: async (i: TestInstance) =>
      void (await sql`UPDATE access_ledger SET buffered = buffered - 1 WHERE instance = ${i.id} AND batch = 2`),
    unproven: async (i: TestInstance) =>
      void (await sql`UPDATE access_ledger SET digest = NULL WHERE instance = ${i.id} AND batch = 2`),
    rows_gone: async () => {
      await sql`DELETE FROM access_log_partitions WHERE partition = ${`access_log_${noon(7).toISOString().slice(0, 10).replaceAll('-', '')}`}`
    },
  }
  for (const [kind, spoil] of Object.entries(gaps)) {
    await reset()
    const instance = await store([8, 7, 6].map(plain))
    await expire()
    await spoil(instance)
    const before = figuresOf(await audited())
    t.ok(
      before.figures.instances[0]?.gaps.some((gap) => gap.kind === kind),
      kind,
    )
    t.same(await fold(), { batches: 1, state: 'done' })
    t.equal((await ledgerOf(instance)).includes(3), true)
    t.same(figuresOf(await audited()), before)
  }
  await reset()
  const waiting = await store([plain(8), { ...plain(7), cut: 'waiting' }, plain(6)])
  await expire()
  t.same(await fold(), { batches: 1, state: 'done' }, 'what waits in quarantine')
  t.same(await ledgerOf(waiting), [2, 3])
})

t.test('D8: rows of quarantine that were decided on go with their batch', async (t) => {
  await store([
    { ...plain(8), cut: 'stored' },
    { ...plain(7), cut: 'dropped' },
    { ...plain(1), cut: 'dropped' },
  ])
  await expire()
  const before = figuresOf(await audited())
  t.same(await fold(), { batches: 2, state: 'done' })
  t.same(figuresOf(await audited()), before)
  const left = await sql`SELECT resolution FROM quarantine`
  t.equal(left.length, 1)
})

const sealed = fc.record<Sealed>({
  ago: fc.integer({ min: 0, max: 9 }),
  acme: fc.integer({ min: 0, max: 3 }),
  globex: fc.integer({ min: 0, max: 2 }),
  dropped: fc.constantFrom(0, 0, 4),
  cut: fc.constantFrom<Sealed['cut']>('none', 'none', 'none', 'stored', 'dropped', 'waiting'),
})
const oldestFirst = (batches: readonly Sealed[]): Sealed[] => [...batches].sort((a, b) => b.ago - a.ago)
const life = fc.record({
  batches: fc.array(sealed, { minLength: 1, maxLength: 6 }).map(oldestFirst),
  end: fc.constantFrom<'final' | 'died' | 'live'>('final', 'died', 'live'),
  hole: fc.option(fc.integer({ min: 1, max: 6 }), { freq: 4 }),
})

t.test('D8: an audit says the same before and after, of any log and any window', async (t) => {
  const windows: AuditFilter[] = [
    {},
    { tenant: 'globex' },
    ...[7, 4, 2].flatMap((ago) => [{ since: noon(ago) }, { until: noon(ago) }]),
    { since: noon(8), until: noon(3) },
  ]
  let folded = 0
  const property = fc.asyncProperty(fc.array(life, { minLength: 1, maxLength: 3 }), async (lives) => {
    await reset()
    for (const { batches, end, hole } of lives) {
      const { id } = await store(batches, end)
      if (hole !== null) await sql`DELETE FROM access_ledger WHERE instance = ${id} AND batch = ${hole}`
    }
    await expire()
    const before = []
    for (const window of windows) before.push(figuresOf(await audited(window)))
    folded += (await fold(1)).batches
    for (const [i, window] of windows.entries()) {
      const after = figuresOf(await audited(window))
      // Where the window begins or ends among what is known in sum, that is said, and not counted.
      if (after.isCutByFold) t.not(window.since ?? window.until, undefined)
      else t.same(after, before[i], JSON.stringify(window))
      if (!t.passing()) throw new Error(JSON.stringify({ window, lives }))
    }
  })
  await fc.assert(property, { numRuns: 12, endOnFailure: true })
  t.ok(folded > 0, 'something was folded', { folded })
})

t.test('D8: one gateway at a time, in slices', async (t) => {
  const instance = await store(Array.from({ length: 5 }, () => plain(8)))
  await expire()
  const other = openControl(target, { max: 1 })
  t.teardown(() => closeSql(other, 1000))
  await other.begin(async (tx) => {
    await tx`SELECT pg_advisory_xact_lock(9299459)`
    t.same(await fold(), { batches: 0, state: 'busy' })
  })
  t.equal((await ledgerOf(instance)).length, 5)
  const runs = await Promise.all([fold(), fold(), fold()])
  t.equal(
    runs.reduce((sum, { batches }) => sum + batches, 0),
    5,
  )
})

t.test('D5, D8: what is told of a life holds when its batches are known in sum', async (t) => {
  const instance = await store([8, 7, 6].map(plain))
  const [last] = await sql<{ digest: Buffer }[]>`SELECT digest FROM access_ledger WHERE batch = 3`
  const told = {
    instance: instance.id,
    host: 'gw-1',
    batch: 3,
    digest: last?.digest.toString('hex') ?? '',
    settled: 15,
    firstAtMs: noon(8).getTime(),
    lastAtMs: noon(6).getTime(),
  }
  await tellLives(sql, instance.id, [told])
  await expire()
  t.same(await fold(), { batches: 3, state: 'done' })
  t.same(await findLost(sql), [])
  t.match(await readLogState(sql, told), { hasBatch: true })
  await sql`TRUNCATE instance_links`
  const witness = new TestInstance(sql).id
  await tellSeen(sql, witness, { withLiving: false })
  t.match(await sql`SELECT batch, settled FROM instance_links`, [{ batch: 3, settled: 15 }])
  await sql`DELETE FROM access_checkpoints`
  await sql`DELETE FROM instances`
  t.match(await audited(), [{ state: 'vanished', gaps: [{ kind: 'vanished', entries: 15 }] }])
})
