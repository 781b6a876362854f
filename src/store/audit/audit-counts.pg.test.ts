import t from 'tap'
import { AuditSum, type InstanceAudit } from '../../model/audit/audit.ts'
import { auditInstances, type AuditFilter } from './audit.ts'
import { settle } from './audit-settle.ts'
import { registerInstance, touchInstance } from './instances.ts'
import { ensurePartitions } from '../entries/partitions.ts'
import { testDatabase } from '../../test/database.ts'
import { TestInstance, type TestEntry } from '../../test/ledger.ts'

const { sql } = await testDatabase(t)
const DAY_MS = 86_400_000
const midnight = Math.floor(Date.now() / DAY_MS) * DAY_MS
await ensurePartitions(sql, new Date(midnight - 2 * DAY_MS), 3)

const entries = (n: number, ms: number): TestEntry[] =>
  Array.from({ length: n }, (_, i) => ({ tenant: 'acme', startedAt: new Date(ms + i) }))

async function audited(filter: AuditFilter = {}): Promise<InstanceAudit[]> {
  const all: InstanceAudit[] = []
  for await (const one of auditInstances(sql, filter, { isCounted: true })) all.push(one)
  return all
}

/** In the order of instances, which have random ids. */
const gapsOf = (audits: readonly InstanceAudit[]): unknown[] =>
  audits.flatMap(({ instance, gaps }) => gaps.map(({ kind, entries }) => [instance.id, kind, entries]))

t.test('D4: an audit that counts', async (t) => {
  const [a, b] = [new TestInstance(sql), new TestInstance(sql)]
  // Across midnight, and with rows of the other instance among them.
  await a.store(a.seal(entries(40, midnight - 20)))
  await b.store(b.seal(entries(10, midnight - 20)), [3])
  await a.store(a.seal(entries(10, midnight - DAY_MS - 5000)))
  await b.store(b.seal(entries(30, midnight - 10), { isFinal: true }))
  await a.store(a.seal([], { isFinal: true }))
  await sql`CREATE TABLE kept AS TABLE access_log`
  t.teardown(() => sql`DROP TABLE kept`)
  const restore = async (): Promise<void> => {
    await sql`DELETE FROM access_log`
    await sql`INSERT INTO access_log TABLE kept`
  }
  const quarantined = [b.id, 'quarantined', 1]

  t.test('finds nothing where nothing is missing, in windows too', async (t) => {
    t.same(gapsOf(await audited()), [quarantined])
    t.same(gapsOf(await audited({ until: new Date(midnight - 1000) })), [])
    t.same(gapsOf(await audited({ since: new Date(midnight - 1000) })), [quarantined])
  })

  t.test('names the batch of each row that its owner deleted, or put there', async (t) => {
    await sql`DELETE FROM access_log WHERE instance = ${a.id} AND seq IN (1, 2, 3)`
    const deleted = [a.id, 'rows_differ', 3]
    t.same(new Set(gapsOf(await audited()).map(String)), new Set([deleted, quarantined].map(String)))
    await sql`INSERT INTO access_log SELECT * FROM kept WHERE instance = ${b.id} AND seq IN (11, 12)`
    t.same(
      new Set(gapsOf(await audited()).map(String)),
      new Set([[a.id, 'rows_differ', 3], [b.id, 'rows_differ', -2], quarantined].map(String)),
    )
    await restore()
  })

  t.test('finds a partition truncated', async (t) => {
    const day = new Date(midnight).toISOString().slice(0, 10).replaceAll('-', '')
    await sql.unsafe(`TRUNCATE access_log_${day}`)
    const gaps = gapsOf(await audited()) as [string, string, number][]
    t.same(
      gaps.filter(([, kind]) => kind === 'rows_differ').reduce((sum, [, , n]) => sum + n, 0),
      20 + 20,
    )
    await restore()
    t.same(gapsOf(await audited()), [quarantined])
  })
})

t.test('D11: what a live instance has not told of is not called complete', async (t) => {
  const live = new TestInstance(sql)
  const register = { host: 'gw', version: '1', startedAt: new Date(), capacityEntries: 10, journalMs: null }
  await registerInstance(sql, { id: live.id, ...register })
  const settledTo = async (filter: AuditFilter = {}): Promise<Date | null> => {
    const sum = new AuditSum()
    for (const one of await audited(filter)) sum.add(one)
    return sum.summary.settledTo
  }
  await live.store(live.seal(entries(2, midnight - 1000)))
  await touchInstance(sql, live.id, { acceptedSeq: 2, spilledEntries: 0 })
  const [row] = await sql<{ at: Date }[]>`SELECT last_seen_at AS at FROM instances WHERE id = ${live.id}`
  t.same(await settledTo(), row?.at, 'up to when it was last seen')
  t.equal(
    await settledTo({ until: new Date(midnight - 500) }),
    null,
    'all that had been accepted in a window that has ended',
  )
  t.equal(await settle(sql, 0), null, 'it has not been seen since')
  const settling = settle(sql, 60_000)
  const touch = (acceptedSeq: number): Promise<boolean> =>
    touchInstance(sql, live.id, { acceptedSeq, spilledEntries: 0 })
  // One after the other: none is under way when the wait is over.
  let at: Date | null | undefined
  while (at === undefined) {
    const touched = touch(2)
    at = await Promise.race([settling, touched.then(() => undefined)])
    await touched
  }
  t.ok(at !== null && ((await settledTo()) ?? new Date(0)) >= at)
  await touch(9)
  t.equal(await settle(sql, 0), null, 'it has entries on their way')
  await live.store(live.seal([], { isFinal: true }))
  t.equal(await settledTo(), null)
  t.not(await settle(sql, 0), null)
})
