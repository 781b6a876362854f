import t from 'tap'
import { AuditSum } from '../../model/audit/audit.ts'
import { auditInstances } from '../../store/audit/audit.ts'
import { ensurePartitions } from '../../store/entries/partitions.ts'
import { testDatabase } from '../../test/database.ts'
import type { Batch } from '../batch/batch.ts'
import { CopyConnection } from './copy.ts'
import { entryOf, INSTANCE, sealedBatch } from '../../test/writer-parts.ts'

const now = new Date()

function batchOf(paths: readonly string[], parts: Parameters<typeof sealedBatch>[1] = {}): Batch {
  const entries = paths.map((path) => entryOf({ startedAtMs: now.getTime(), path, tenant: 'acme' }))
  return sealedBatch(entries, parts)
}

t.test('a number that another batch has', async (t) => {
  const { sql, target } = await testDatabase(t)
  await ensurePartitions(sql, now, 1)
  const connection = new CopyConnection(target, { copyTimeoutMs: 5000 })
  t.teardown(() => connection.close())
  const paths = async (): Promise<unknown[]> =>
    (await sql`SELECT path FROM access_log ORDER BY path`).map((row) => row['path'])
  const theirs = batchOf(['/theirs/1', '/theirs/2'])
  const ours = batchOf(['/ours/1', '/ours/2', '/ours/3'], { dropped: { acme: { channel_full: 2 } } })

  t.test(
    'D4: the batch of another life is not taken for ours, and ours is stored all the same, once',
    async (t) => {
      t.same(await connection.store(theirs), { state: 'stored', rows: 2 })
      t.same(await connection.store(ours), { state: 'stored', rows: 3, isForeign: true })
      t.same(await connection.store(ours), { state: 'already_stored', rows: 3, isForeign: true })
      t.same(await connection.store(theirs), { state: 'already_stored', rows: 2 })
      t.same(await paths(), ['/ours/1', '/ours/2', '/ours/3', '/theirs/1', '/theirs/2'])
    },
  )

  t.test('D4: of several batches only those with their own digest are said to be stored', async (t) => {
    t.same([...(await connection.storedAmong([theirs, ours]))], [theirs])
    const next = batchOf(['/ours/4'], { number: 2 })
    t.match(await connection.store(ours, [next]), { state: 'already_stored' })
    t.same(await connection.store(next), { state: 'stored', rows: 1 })
  })

  t.test('D4: rows in quarantine under the same seq do not hold up a batch', async (t) => {
    const row = {
      tenant: 'acme',
      seq: 1,
      text: ours.body.toString().split('\n')[0] ?? '',
      code: '22021',
      detail: '',
    }
    const body = Buffer.from(ours.body.toString().split('\n').slice(1).join('\n'))
    await sql`INSERT INTO quarantine (instance, seq, tenant, code, row) VALUES (${INSTANCE}, 1, 'acme', '22021', 'x')`
    const cut = { ...ours, number: 7, entries: 2, tenants: new Map([['acme', 2]]), quarantined: [row], body }
    t.match(await connection.store(cut), { state: 'stored', rows: 2, isForeign: true })
    await sql`DELETE FROM quarantine WHERE instance = ${INSTANCE}`
  })

  t.test('D4: the accounts of the batch under its own id close, deeply', async (t) => {
    const sum = new AuditSum()
    for await (const one of auditInstances(sql, {}, { isDeep: true })) {
      if (one.instance.id === INSTANCE) continue
      sum.add(one)
      t.same(
        one.gaps.map(({ kind }) => kind).sort(),
        one.accounts[0]?.quarantined === 0 ? ['dropped'] : ['dropped', 'quarantined'],
      )
    }
    t.match(sum.summary.total, { accepted: 10, stored: 5, quarantined: 1, dropped: { channel_full: 4 } })
  })
})

t.test('rows that a trigger skips', async (t) => {
  const { sql, target } = await testDatabase(t)
  await ensurePartitions(sql, now, 1)
  await sql.unsafe(`
    CREATE FUNCTION skip() RETURNS trigger LANGUAGE plpgsql AS
      'BEGIN IF NEW.path LIKE ''/skip%'' THEN RETURN NULL; END IF; RETURN NEW; END';
    CREATE TRIGGER skip BEFORE INSERT ON access_log FOR EACH ROW EXECUTE FUNCTION skip()`)
  const connection = new CopyConnection(target, { copyTimeoutMs: 5000 })
  t.teardown(() => connection.close())
  const skipped = { code: 'skipped', kind: 'rejected', line: null }

  t.test('D4: a COPY that kept fewer rows than were sent leaves nothing, and is told', async (t) => {
    const batch = batchOf(['/1', '/skip', '/2'])
    await t.rejects(connection.store(batch), skipped)
    await t.rejects(connection.probe(batch), skipped)
    t.equal((await sql`SELECT FROM access_ledger`).length + (await sql`SELECT FROM access_log`).length, 0)
    await connection.probe(batchOf(['/1', '/2']))
    t.same(await connection.store(batchOf(['/1', '/2'])), { state: 'stored', rows: 2 })
  })

  t.test('D4: likewise of several batches in one transaction', async (t) => {
    const [first, second] = [batchOf(['/3'], { number: 2 }), batchOf(['/4', '/skip'], { number: 3 })]
    await t.rejects(connection.store(first, [second]), skipped)
    t.same(await connection.store(first), { state: 'stored', rows: 1 })
  })
})
