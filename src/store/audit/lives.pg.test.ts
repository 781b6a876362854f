import { randomUUID } from 'node:crypto'
import t from 'tap'
import type { InstanceAudit } from '../../model/audit/audit.ts'
import type { RememberedLife } from '../../model/audit/life.ts'
import { auditInstances, type AuditFilter } from './audit.ts'
import { endInstance, registerInstance } from './instances.ts'
import { findLost, readLogState, tellLives, tellSeen } from './lives.ts'
import { ensurePartitions } from '../entries/partitions.ts'
import { testDatabase } from '../../test/database.ts'
import { type SealedBatch, TestInstance } from '../../test/ledger.ts'

const { sql } = await testDatabase(t)
const HOUR_MS = 3_600_000
const startMs = Date.now() - 6 * HOUR_MS
await ensurePartitions(sql, new Date(startMs - 24 * HOUR_MS), 4)

t.beforeEach(async () => {
  await sql`TRUNCATE access_ledger, access_log, instances, instance_links, quarantine`
})

/** A life of three batches of 10 entries, one each hour, that has ended in order; and what is remembered of it. */
async function life(): Promise<{ id: string; last: RememberedLife; batches: SealedBatch[] }> {
  const instance = new TestInstance(sql)
  await registerInstance(sql, {
    id: instance.id,
    host: 'gw-1',
    version: '0.1.0',
    startedAt: new Date(startMs),
    capacityEntries: 5000,
    journalMs: null,
  })
  const entries = (hour: number) =>
    Array.from({ length: 10 }, () => ({ tenant: 'acme', startedAt: new Date(startMs + hour * HOUR_MS) }))
  const batches = [0, 1, 2].map((hour) => instance.seal(entries(hour), { isFinal: hour === 2 }))
  for (const batch of batches) await instance.store(batch)
  await endInstance(sql, instance.id, { acceptedSeq: 30, spilledEntries: 0 })
  return { id: instance.id, last: memoryOf(instance.id, batches), batches }
}

function memoryOf(id: string, batches: readonly SealedBatch[]): RememberedLife {
  const columns = batches.at(-1)?.columns as { digest: Buffer; accepted_seq: number; buffered: number }
  return {
    instance: id,
    host: 'gw-1',
    batch: batches.length,
    digest: columns.digest.toString('hex'),
    settled: columns.accepted_seq - columns.buffered,
    firstAtMs: startMs,
    lastAtMs: startMs + (batches.length - 1) * HOUR_MS,
  }
}

async function audited(filter: AuditFilter = {}): Promise<InstanceAudit[]> {
  const all: InstanceAudit[] = []
  for await (const one of auditInstances(sql, filter, { isCounted: true })) all.push(one)
  return all
}

const gapsOf = (audits: readonly InstanceAudit[]): unknown[] =>
  audits.flatMap(({ gaps }) =>
    gaps.map(({ instance, kind, entries, batches }) => [instance, kind, entries, batches]),
  )

async function remove(id: string, fromBatch = 1): Promise<void> {
  await sql`DELETE FROM access_log WHERE instance = ${id} AND seq > ${(fromBatch - 1) * 10}`
  await sql`DELETE FROM access_ledger WHERE instance = ${id} AND batch >= ${fromBatch}`
  if (fromBatch === 1) await sql`DELETE FROM instances WHERE id = ${id}`
}

t.test('D5: a whole life that vanished is named, with what it had stored', async (t) => {
  const [a, b] = [await life(), await life()]
  const witness = randomUUID()
  await tellLives(sql, witness, [a.last, b.last])
  t.same(gapsOf(await audited()), [], 'nothing is missing to begin with')
  await remove(a.id)
  const audits = await audited()
  t.same(gapsOf(audits), [[a.id, 'vanished', 30, [1, 3]]])
  const gone = audits.find(({ instance }) => instance.id === a.id)
  t.match(gone, { state: 'vanished', instance: { host: 'gw-1' } })
  t.match(
    gone?.gaps[0]?.line,
    new RegExp(`30 entries: all that it is known to have stored, 3 batches, .*${witness}`),
  )
})

t.test('D5: it is of the window in which it lived', async (t) => {
  const a = await life()
  await tellLives(sql, randomUUID(), [a.last])
  await remove(a.id)
  const at = (hours: number): Date => new Date(startMs + hours * HOUR_MS)
  t.equal(gapsOf(await audited({ since: at(2) })).length, 1)
  t.equal(gapsOf(await audited({ since: at(2.1) })).length, 0)
  t.equal(gapsOf(await audited({ until: at(0) })).length, 0)
  t.equal(gapsOf(await audited({ since: at(-1), until: at(0.1) })).length, 1)
})

t.test('D5: the last batches of a life that has ended are missed, and counted once', async (t) => {
  const a = await life()
  await tellLives(sql, randomUUID(), [a.last])
  await remove(a.id, 3)
  t.same(gapsOf(await audited()), [[a.id, 'missing_batches', 10, [3, 3]]])
  await remove(a.id, 2)
  t.same(gapsOf(await audited()), [[a.id, 'missing_batches', 20, [2, 3]]])
  // As a backup of an hour ago has it: seen last long before the window, in which the loss is.
  await sql`UPDATE instances SET ended_at = NULL, last_seen_at = ${new Date(startMs)} WHERE id = ${a.id}`
  const since = new Date(startMs + 1.5 * HOUR_MS)
  t.same(gapsOf(await audited({ since })), [[a.id, 'missing_batches', 20, [2, 3]]])
})

t.test('D5: a hole before a later batch is told once, by the ledger', async (t) => {
  const a = await life()
  await tellLives(sql, a.id, [memoryOf(a.id, a.batches.slice(0, 2))])
  await sql`DELETE FROM access_ledger WHERE instance = ${a.id} AND batch = 2`
  t.same(gapsOf(await audited()), [[a.id, 'missing_batches', 10, [2, 2]]])
})

t.test('D5: a batch that is another one than was acknowledged breaks the chain', async (t) => {
  const a = await life()
  await tellLives(sql, randomUUID(), [{ ...a.last, digest: 'ab'.repeat(32) }])
  t.same(gapsOf(await audited()), [[a.id, 'chain_broken', null, [3, 3]]])
})

t.test('D5: who tells most of a life is believed, and few need to tell of it', async (t) => {
  const a = await life()
  const witnesses = Array.from({ length: 5 }, () => randomUUID())
  const [first = '', second = '', third = ''] = witnesses
  await tellLives(sql, first, [memoryOf(a.id, a.batches.slice(0, 1))])
  await tellLives(sql, first, [memoryOf(a.id, a.batches.slice(0, 2))])
  for (const witness of [second, third]) await tellLives(sql, witness, [a.last])
  await tellLives(sql, first, [memoryOf(a.id, a.batches.slice(0, 1))])
  for (const witness of witnesses.slice(3)) await tellLives(sql, witness, [a.last])
  const rows = await sql`SELECT witness, batch FROM instance_links ORDER BY batch, witness`
  t.same(
    rows.map(({ witness, batch }) => [witness, batch]),
    [[first, 2], ...[second, third].sort().map((each) => [each, 3])],
  )
  await remove(a.id)
  t.same(gapsOf(await audited()), [[a.id, 'vanished', 30, [1, 3]]])
  t.match(await findLost(sql, { instances: [a.id] }), [{ instance: a.id, batch: 3, newest: null }])
  t.same(await findLost(sql, { instances: [randomUUID()] }), [])
})

t.test('D5: a gateway that remembers nothing tells of those that the database knows', async (t) => {
  const [a, b] = [await life(), await life()]
  await sql`UPDATE instances SET ended_at = NULL WHERE id = ${b.id}`
  const witness = randomUUID()
  await tellSeen(sql, witness, { withLiving: false })
  await remove(b.id)
  await remove(a.id)
  t.same(gapsOf(await audited()), [[a.id, 'vanished', 30, [1, 3]]], 'of those that have ended')
  await tellSeen(sql, witness, { withLiving: false })
  t.same(gapsOf(await audited()), [[a.id, 'vanished', 30, [1, 3]]])
})

t.test('D5: one that ends tells of those that live, and others of their end', async (t) => {
  const a = await life()
  await sql`UPDATE instances SET ended_at = NULL WHERE id = ${a.id}`
  const final = await sql`DELETE FROM access_ledger WHERE batch = 3 RETURNING *`
  for (let i = 0; i < 4; i++) await tellSeen(sql, randomUUID(), { withLiving: true })
  await sql`INSERT INTO access_ledger ${sql(final as unknown as Record<string, string>[])}`
  await sql`UPDATE instances SET ended_at = clock_timestamp()`
  await tellSeen(sql, randomUUID(), { withLiving: false, withinSeconds: 60 })
  t.same(
    (await sql`SELECT batch FROM instance_links ORDER BY batch`).map(({ batch }) => batch as number),
    [2, 2, 3],
    'no more than need be',
  )
  await sql`UPDATE instances SET last_seen_at = last_seen_at - interval '2 minutes'`
  await tellSeen(sql, randomUUID(), { withLiving: false, withinSeconds: 60 })
  t.equal((await sql`SELECT FROM instance_links`).length, 3, 'those seen lately')
})

t.test('D5: the database is asked whether it has what it acknowledged', async (t) => {
  const a = await life()
  const { log, hasBatch } = await readLogState(sql, a.last)
  t.match(log, /^[0-9a-f-]{36}$/)
  t.equal(hasBatch, true)
  t.match(await readLogState(sql, { ...a.last, digest: 'ab'.repeat(32) }), { log, hasBatch: false })
  t.match(await readLogState(sql, { ...a.last, batch: 4 }), { hasBatch: false })
  t.match(await readLogState(sql, null), { hasBatch: true })
})
