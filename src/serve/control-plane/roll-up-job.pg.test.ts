import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { createLogger } from '../../logger/logger.ts'
import { endInstance, registerInstance } from '../../store/audit/instances.ts'
import { ensurePartitions } from '../../store/entries/partitions.ts'
import { dropExpiredPartitions, readClock, setRetention } from '../../store/entries/retention.ts'
import { rollUp } from '../../store/figures/roll-up.ts'
import { testDatabase } from '../../test/database.ts'
import { TestInstance, untilSettled } from '../../test/ledger.ts'
import { RollUpJob } from './roll-up-job.ts'

const { sql, target } = await testDatabase(t)
const DAY_MS = 86_400_000

t.test('D8: the job sums up what is old enough, batches and then lives', async (t) => {
  const { databaseMs } = await readClock(sql, Date.now)
  const startedAt = new Date(databaseMs - 9 * DAY_MS)
  await ensurePartitions(sql, startedAt, 12)
  await sql`UPDATE access_log_partitions SET made_at = '-infinity'`
  const instance = new TestInstance(sql)
  const { id } = instance
  await registerInstance(sql, { id, host: 'h', version: '1', startedAt, capacityEntries: 9, journalMs: null })
  await instance.store(instance.seal([{ tenant: 'acme', startedAt }]))
  await instance.store(instance.seal([], { isFinal: true }))
  await endInstance(sql, id, { acceptedSeq: 1, spilledEntries: 0 })
  await sql`UPDATE access_ledger SET written_at = ${startedAt}`
  await sql`UPDATE instances SET last_seen_at = ${startedAt}, ended_at = ${startedAt}`
  await untilSettled(sql)
  while ((await rollUp(sql)).state !== 'caught_up');
  await setRetention(sql, 3, 'the test')
  await dropExpiredPartitions(sql, { by: 'the test', now: Date.now, maxClockOffsetMs: Infinity })

  const runJob = async (livesDays: number, isDone: () => Promise<boolean>): Promise<void> => {
    const job = new RollUpJob({
      target,
      intervalMs: 1,
      retention: { minutesDays: 90, tenantMinutesDays: 7, packagesDays: 400, days: 800 },
      fold: { ledgerDays: 3, livesDays },
      logger: createLogger({ level: 'silent', maxBacklogBytes: 65_536 }),
    })
    job.start()
    while (!(await isDone())) await sleep(5)
    await job.stop()
  }
  await runJob(800, async () => (await sql`SELECT FROM access_checkpoints WHERE last_batch = 2`).length === 1)
  t.equal((await sql`SELECT FROM access_ledger`).length, 0)
  t.equal((await sql`SELECT FROM instances`).length, 1)
  await runJob(3, async () => (await sql`SELECT FROM access_past_lives WHERE lives = 1`).length === 1)
  t.equal((await sql`SELECT FROM instances`).length, 0)
})
