import { randomUUID } from 'node:crypto'
import t from 'tap'
import { Channel } from '../../channel/channel.ts'
import { CopyConnection } from '../../writer/database/copy.ts'
import { Ledger } from '../../channel/ledger.ts'
import { Writer } from '../../writer/writer.ts'
import { AccessEntry } from '../../model/access-entry.ts'
import { auditInstances } from '../../store/audit/audit.ts'
import { ensurePartitionFor } from '../../store/entries/partitions.ts'
import { testDatabase } from '../../test/database.ts'

const { sql, target } = await testDatabase(t)

t.test('what the writer stored, dropped and quarantined is what the deep audit says', async (t) => {
  await sql.unsafe(`CREATE FUNCTION refuse_poison() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN IF NEW.path = '/poison' THEN RAISE EXCEPTION 'no' USING ERRCODE = '22P02'; END IF; RETURN NEW; END $$`)
  await sql.unsafe(
    `CREATE TRIGGER refuse_poison BEFORE INSERT ON access_log FOR EACH ROW EXECUTE FUNCTION refuse_poison()`,
  )
  const ledger = new Ledger()
  const channel = new Channel({ capacityEntries: 3000, capacityBytes: 1e8, ledger })
  const ignore = (): void => {}
  const writer = new Writer({
    channel,
    ledger,
    store: new CopyConnection(target, { copyTimeoutMs: 5000 }),
    ensurePartitions: (days) => ensurePartitionFor(sql, days),
    instance: randomUUID(),
    options: {
      flushEntries: 128,
      flushIntervalMs: 2000,
      maxBatchEntries: 500,
      maxBatchBytes: 4e6,
      backoffMinMs: 5,
      backoffMaxMs: 100,
    },
    logger: { info: ignore, warn: ignore, error: ignore },
    spill: null,
  })
  writer.start()
  for (let round = 0; round < 5; round++) {
    for (let i = 0; i < (round === 2 ? 6000 : 400); i++) {
      const fields = { startedAtMs: Date.now(), tenant: ['acme', 'globex', ''][i % 3] ?? '', status: 200 }
      channel.push(Object.assign(new AccessEntry(), fields, { path: i === 7 ? '/poison' : `/${i}\t\\` }))
    }
    await writer.flush()
  }
  await writer.drain(5000)
  for await (const one of auditInstances(sql, {}, { isDeep: true })) {
    for (const books of one.accounts) {
      const { accepted, stored, quarantined, dropped } = ledger.account(books.tenant)
      t.match(books, { accepted, stored, quarantined })
      for (const [reason, n] of Object.entries(books.dropped)) {
        t.equal(n, (dropped as Readonly<Record<string, number>>)[reason], reason)
      }
    }
    t.equal(one.accounts.length, 3)
    const kinds = new Set(one.gaps.map(({ kind }) => kind))
    t.same(
      [...kinds].sort(),
      ['dropped', 'quarantined', 'unregistered'].filter((kind) => kinds.has(kind as 'dropped')),
    )
    t.ok(kinds.has('quarantined') && kinds.has('dropped'))
  }
})
