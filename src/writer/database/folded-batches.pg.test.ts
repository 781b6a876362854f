import { randomUUID } from 'node:crypto'
import t from 'tap'
import { ensurePartitions } from '../../store/entries/partitions.ts'
import { testDatabase } from '../../test/database.ts'
import type { Batch } from '../batch/batch.ts'
import { CopyConnection } from './copy.ts'
import { entryOf, INSTANCE, sealedBatch } from '../../test/writer-parts.ts'

const DAY_MS = 86_400_000
const now = Date.now()

function batchOf(number: number, startedAtMs: number): Batch {
  const entries = [1, 2].map((n) => entryOf({ startedAtMs, path: `/${number}/${n}`, tenant: 'acme' }))
  return sealedBatch(entries, { number })
}

t.test('D8: a batch that is known in sum only, and comes again', async (t) => {
  const { sql, target } = await testDatabase(t)
  await ensurePartitions(sql, new Date(now - 3 * DAY_MS), 5)
  // One that may write batches, and nothing else.
  const role = `waybill_writer_${randomUUID().slice(0, 8)}`
  await sql.unsafe(`CREATE ROLE ${role} LOGIN BYPASSRLS PASSWORD 'x'`)
  await sql.unsafe(`GRANT SELECT, INSERT ON access_log, access_ledger, quarantine TO ${role}`)
  t.teardown(() => sql.unsafe(`DROP OWNED BY ${role}; DROP ROLE ${role}`))
  const connection = new CopyConnection({ ...target, user: role, password: 'x' }, { copyTimeoutMs: 5000 })
  t.teardown(() => connection.close())
  const rows = async (): Promise<number> =>
    (await sql<{ n: number }[]>`SELECT count(*) AS n FROM access_log`)[0]?.n ?? 0
  const old = [1, 2, 3].map((number) => batchOf(number, now - 2 * DAY_MS))
  const [first, second, third] = old as [Batch, Batch, Batch]
  await sql`
    INSERT INTO access_checkpoints (instance, last_batch, digest, accepted_seq, buffered, is_final, first_at, last_at, accounts)
    VALUES (${INSTANCE}, 3, ${third.digest}, 6, 0, false, ${new Date(now - 2 * DAY_MS)}, ${new Date(now - 2 * DAY_MS)}, '{}')`

  t.test('is not stored a second time, alone or among others', async (t) => {
    for (const batch of old) t.same(await connection.store(batch), { state: 'already_stored', rows: 2 })
    const next = batchOf(4, now)
    t.match(await connection.store(first, [second, next]), { state: 'already_stored' })
    t.same([...(await connection.storedAmong([first, second, next]))], [first, second])
    t.equal(await rows(), 0)
    t.same(await connection.store(next), { state: 'stored', rows: 2 }, 'those that come after it are')
  })

  t.test('is told from that of a machine that was put back, which has a number of these now', async (t) => {
    const theirs = batchOf(2, now)
    t.same(await connection.store(theirs), { state: 'stored', rows: 2, isForeign: true })
    t.same(await connection.store(theirs), { state: 'already_stored', rows: 2, isForeign: true })
    const last = { ...third, digest: second.digest }
    t.match(await connection.store(last), { state: 'stored', isForeign: true }, 'the last one has its digest')
    t.equal(await rows(), 6)
  })

  t.test('is refused although it waited for its removal', async (t) => {
    const batch = batchOf(9, now - 2 * DAY_MS)
    await sql`INSERT INTO access_ledger (instance, batch, entries, bytes) VALUES (${INSTANCE}, 9, 2, 1)`
    let storing: Promise<unknown> = Promise.resolve()
    await sql.begin(async (tx) => {
      await tx`UPDATE access_checkpoints SET last_batch = 9, digest = ${batch.digest}`
      await tx`DELETE FROM access_ledger WHERE batch = 9`
      storing = connection.store(batch)
      for (;;) {
        const [row] = await sql<{ n: number }[]>`SELECT count(*) AS n FROM pg_locks WHERE NOT granted`
        if ((row?.n ?? 0) > 0) break
      }
    })
    t.same(await storing, { state: 'already_stored', rows: 2 })
  })
})
