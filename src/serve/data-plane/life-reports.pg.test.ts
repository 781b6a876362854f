import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { LifeMemory } from '../../writer/life-memory.ts'
import type { Batch } from '../../writer/batch/batch.ts'
import type { Owners } from '../../spool/spool-owner.ts'
import { ensurePartitions } from '../../store/entries/partitions.ts'
import { testDatabase } from '../../test/database.ts'
import { type SealedBatch, TestInstance } from '../../test/ledger.ts'
import { LifeReports } from './life-reports.ts'

const { sql } = await testDatabase(t)
const nowMs = Date.now()
await ensurePartitions(sql, new Date(nowMs - 86_400_000), 3)

/** Nobody else lives: those who begin are heirs. */
const OWNERS: Owners = {
  us: () => Promise.resolve({ pid: 1, host: 'h', space: '', started: '' }),
  isAlive: () => Promise.resolve(false),
}

/** A process of one life, its ledger, and what it logs. */
function processIn(directory: string) {
  const instance = new TestInstance(sql)
  const memory = new LifeMemory({ directory, writer: instance.id, host: 'gw-1', owners: OWNERS })
  const lines: { level: string; message: string; fields: object }[] = []
  const at =
    (level: string) =>
    (fields: object | string, message = '') =>
      void lines.push({ level, message, fields: fields as object })
  const ignore = (): void => {}
  const logger = {
    trace: ignore,
    debug: ignore,
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    child: () => logger,
  }
  const reports = new LifeReports({ sql, memory, instance: () => instance.id, logger })
  const store = async (entries = 10): Promise<SealedBatch> => {
    const batch = instance.seal(
      Array.from({ length: entries }, () => ({ tenant: 'acme', startedAt: new Date(nowMs) })),
    )
    await instance.store(batch)
    memory.acknowledge(asAcknowledged(batch))
    return batch
  }
  return { id: instance.id, reports, store, lines }
}

function asAcknowledged({ number, columns }: SealedBatch): Batch {
  const { instance, digest, accepted_seq: acceptedSeq, buffered } = columns
  const range = { firstSeq: 1, lastSeq: 1, firstStartedAtMs: nowMs, lastStartedAtMs: nowMs }
  return { instance, number, digest, acceptedSeq, buffered, range } as unknown as Batch
}

const linksOf = async (): Promise<unknown[]> =>
  (await sql`SELECT instance, witness, batch FROM instance_links ORDER BY told_at`).map((row) => [
    row['instance'],
    row['witness'],
    row['batch'],
  ])

async function forget(instance: string, fromBatch: number): Promise<void> {
  await sql`DELETE FROM access_ledger WHERE instance = ${instance} AND batch >= ${fromBatch}`
}

const folderOf = (t: Test): string => join(t.testdir({}), 'lives')

t.test(
  'D5: a life tells of those before it in its folder, and again when the database has forgotten',
  async (t) => {
    await sql`TRUNCATE instance_links`
    const directory = folderOf(t)
    const first = processIn(directory)
    await first.store()
    await first.store()
    await first.reports.run()
    await first.reports.stop()
    const second = processIn(directory)
    await second.reports.run()
    t.same(await linksOf(), [[first.id, second.id, 2]])
    t.same(second.reports.warnings, [])
    await second.store()
    await second.reports.stop()
    await sql`TRUNCATE instance_links`
    await forget(first.id, 1)
    const third = processIn(directory)
    await third.reports.run()
    t.same(
      new Set((await linksOf()).map(String)),
      new Set(
        [
          [first.id, third.id, 2],
          [second.id, third.id, 1],
        ].map(String),
      ),
      'the registration of the second one was lost as well',
    )
    t.match(third.reports.warnings, [
      { code: 'log_lost_batches', detail: new RegExp(`instance ${first.id} on gw-1 had stored 2 batches`) },
    ])
    t.match(third.lines, [
      { level: 'error', fields: { instance: first.id, batch: 2, entries: 20, stored: 0 } },
    ])
    await third.reports.run()
    t.equal(third.lines.length, 1, 'told once')
  },
)

t.test(
  'D5: a live gateway notices that the database knows less than it had acknowledged, and says so',
  async (t) => {
    await sql`TRUNCATE instance_links`
    const live = processIn(folderOf(t))
    for (let i = 0; i < 3; i++) await live.store()
    await live.reports.run()
    t.same(live.reports.warnings, [])
    await forget(live.id, 2)
    await live.reports.run()
    t.same(live.reports.warnings, [], 'one look is not enough')
    await live.reports.run()
    t.match(live.reports.warnings, [
      { code: 'log_lost_batches', detail: new RegExp(`does not have batch 3 of instance ${live.id}`) },
    ])
    t.match(live.lines, [{ level: 'error', fields: { instance: live.id, batch: 3, entries: 30 } }])
    t.same(await linksOf(), [[live.id, live.id, 3]], 'it tells of itself, should it die now')
    await live.reports.run()
    t.equal(live.lines.length, 1, 'told once')
    await live.store()
    await live.reports.run()
    t.equal(live.reports.warnings.length, 1, 'it stays')
  },
)

t.test('D5: lives of another database are no part of this one', async (t) => {
  await sql`TRUNCATE instance_links`
  const directory = folderOf(t)
  const first = processIn(directory)
  await first.store()
  await first.reports.run()
  const [was] = await sql<{ log: string }[]>`SELECT log FROM access_log_identity`
  await sql`UPDATE access_log_identity SET log = ${randomUUID()}`
  t.teardown(() => sql`UPDATE access_log_identity SET log = ${was?.log ?? ''}`)
  const second = processIn(directory)
  await second.reports.run()
  t.same(await linksOf(), [])
  t.match(second.lines, [{ level: 'warn', fields: { lives: 1 } }])
  t.same(second.reports.warnings, [])
  await first.reports.run()
  t.match(first.reports.warnings, [{ code: 'log_replaced' }], 'one that lives through the change is loud')
})

t.test('D5: without the database what was stored is remembered all the same', async (t) => {
  await sql`TRUNCATE instance_links`
  const directory = folderOf(t)
  const first = processIn(directory)
  await first.reports.run()
  await first.store()
  await sql`ALTER TABLE access_log_identity RENAME TO away`
  await t.rejects(first.reports.run())
  await first.store()
  await first.reports.stop()
  await sql`ALTER TABLE away RENAME TO access_log_identity`
  const second = processIn(directory)
  await second.reports.run()
  t.same(await linksOf(), [[first.id, second.id, 2]])
})
