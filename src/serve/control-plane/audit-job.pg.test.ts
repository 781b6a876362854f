import t from 'tap'
import { createLogger } from '../../logger/logger.ts'
import type { AuditGap } from '../../model/audit/audit.ts'
import { registerInstance } from '../../store/audit/instances.ts'
import { ensurePartitions } from '../../store/entries/partitions.ts'
import { testDatabase } from '../../test/database.ts'
import { TestInstance } from '../../test/ledger.ts'
import { AuditJob } from './audit-job.ts'

const { sql } = await testDatabase(t)
await ensurePartitions(sql, new Date(Date.now() - 86_400_000), 3)

t.test('tells the gaps of the last hour, and keeps the last result when the database is away', async (t) => {
  const lines: string[] = []
  const told: AuditGap[] = []
  const tell = (_fields: object | string, message = ''): void => void lines.push(message)
  const ignore = (): void => {}
  const logger = { trace: ignore, debug: ignore, info: ignore, warn: tell, error: tell, child: () => logger }
  const job = new AuditJob({
    sql,
    intervalMs: 1e6,
    logger,
    onGaps: (gaps) => Promise.resolve(void told.push(...gaps)),
  })
  t.equal(job.stats, null)
  await job.run()
  t.match(job.stats, { gaps: { missing_batches: 0, dropped: 0, chain_broken: 0 } })
  const instance = new TestInstance(sql)
  const version = '1'
  const start = {
    id: instance.id,
    host: 'h',
    version,
    startedAt: new Date(),
    capacityEntries: 10,
    journalMs: null,
  }
  await registerInstance(sql, start)
  const batches = [0, 1, 2].map(() => instance.seal([{ tenant: 'acme', startedAt: new Date() }]))
  for (const batch of batches) if (batch.number !== 2) await instance.store(batch)
  await job.run()
  t.match(job.stats, { gaps: { missing_batches: 1, dropped: 0 } })
  t.match(told, [{ kind: 'missing_batches', instance: instance.id }])
  for (const batch of batches) if (batch.number === 2) await instance.store(batch)
  await job.run()
  t.match(job.stats, { gaps: { missing_batches: 0 } }, 'it has come')
  t.equal(told.length, 1)
  t.same(lines, [])
  await sql`ALTER TABLE access_ledger RENAME TO away`
  await job.run()
  await job.run()
  t.match(job.stats, { gaps: { missing_batches: 0 } })
  t.same(lines, ['audit failed; trying again'], 'told once')
  await sql`ALTER TABLE away RENAME TO access_ledger`
  job.stop()
})

t.test('gaps that are not told leave their place to those that are', async (t) => {
  const told: AuditGap[] = []
  const logger = createLogger({ level: 'info', destination: { write: () => {} } })
  const job = new AuditJob({
    sql,
    intervalMs: 1e6,
    logger,
    onGaps: (gaps) => Promise.resolve(void told.push(...gaps)),
  })
  const instance = new TestInstance(sql)
  const version = '1'
  const startedAt = new Date()
  await registerInstance(sql, {
    id: instance.id,
    host: 'h',
    version,
    startedAt,
    capacityEntries: 10,
    journalMs: null,
  })
  const tenants = Array.from({ length: 150 }, (_, n) => ({ tenant: `t${n}`, startedAt }))
  await instance.store(instance.seal(tenants), [...tenants.keys()])
  await instance.store(instance.seal([], { dropped: { acme: { overflow: 3 } } }))
  await job.run()
  t.match(job.stats, { gaps: { quarantined: 150, dropped: 1 } })
  t.match(told, [{ kind: 'dropped', instance: instance.id, tenant: 'acme', entries: 3 }])
  job.stop()
})
