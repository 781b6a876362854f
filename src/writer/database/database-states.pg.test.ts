import { randomUUID } from 'node:crypto'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { ensurePartitionFor, ensurePartitions } from '../../store/entries/partitions.ts'
import { type TestDatabase, testDatabase } from '../../test/database.ts'
import { Channel } from '../../channel/channel.ts'
import { CopyConnection } from './copy.ts'
import { Ledger } from '../../channel/ledger.ts'
import { Spill } from '../spill/spill.ts'
import { assertChain } from '../../test/database-chain.ts'
import { brokenAccounts, entryOf } from '../../test/writer-parts.ts'
import { Writer } from '../writer.ts'

interface Line {
  readonly level: string
  readonly fields: Readonly<Record<string, unknown>>
}

/** A writer with a spill, as a role of its own, which owns the tables as a gateway's role does. */
async function rigOf(t: Test, database: TestDatabase) {
  const { sql, target } = database
  const role = `waybill_writer_${randomUUID().slice(0, 8)}`
  await sql.unsafe(`CREATE ROLE ${role} LOGIN BYPASSRLS PASSWORD 'x'`)
  await sql.unsafe(`GRANT SELECT, INSERT ON access_log, access_ledger, quarantine TO ${role}`)
  t.teardown(() => sql.unsafe(`DROP OWNED BY ${role}; DROP ROLE ${role}`))
  const ledger = new Ledger()
  const channel = new Channel({ capacityEntries: 10_000, capacityBytes: 1e9, ledger })
  const instance = randomUUID()
  const lines: Line[] = []
  const log = (level: string) => (fields: object) => void lines.push({ level, fields: { ...fields } })
  const logger = { info: log('info'), warn: log('warn'), error: log('error') }
  const directory = mkdtempSync(join(tmpdir(), 'waybill-states-'))
  const writer = new Writer({
    channel,
    ledger,
    store: new CopyConnection({ ...target, user: role, password: 'x' }, { copyTimeoutMs: 5000 }),
    ensurePartitions: (days) => ensurePartitionFor(sql, days),
    instance,
    options: {
      flushEntries: 50,
      flushIntervalMs: 50,
      maxBatchEntries: 500,
      maxBatchBytes: 4e6,
      backoffMinMs: 5,
      backoffMaxMs: 100,
      spillAfterMs: 50,
    },
    logger,
    spill: new Spill({ directory, instance, maxBytes: 1e8, syncIntervalMs: 100, logger }),
  })
  t.teardown(async () => {
    await writer.drain(2000)
    rmSync(directory, { recursive: true, force: true })
  })
  writer.start()
  const push = (n: number, path = '/'): void => {
    for (let i = 0; i < n; i++) channel.push(entryOf({ startedAtMs: Date.now(), path }))
  }
  return { role, ledger, writer, lines, push, instance, directory }
}

/** Resolves when that is so; the test's own time limit bounds it. */
async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => void setImmediate(resolve))
}

/** A state of the database in which nothing can be stored: how it comes about, how it ends, and the SQLSTATE that tells of it. */
const STATES: Readonly<
  Record<
    string,
    {
      code: string
      begin: (role: string, name: string) => string
      end: (role: string, name: string) => string
    }
  >
> = {
  'a revoked privilege': {
    code: '42501',
    begin: (role) => `REVOKE INSERT ON access_log FROM ${role}`,
    end: (role) => `GRANT INSERT ON access_log TO ${role}`,
  },
  'a database that is read-only, as a standby after a failover is': {
    code: '25006',
    begin: (role, name) => `ALTER ROLE ${role} IN DATABASE ${name} SET default_transaction_read_only = on;
      SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '${role}'`,
    end: (role, name) => `ALTER ROLE ${role} IN DATABASE ${name} RESET default_transaction_read_only;
      SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '${role}'`,
  },
  'a full tablespace, as Postgres reports it': {
    code: '53100',
    begin: () => `CREATE FUNCTION disk_full() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        RAISE EXCEPTION 'could not extend file "base/1/2": No space left on device' USING ERRCODE = 'disk_full'; END $$;
      CREATE TRIGGER disk_full BEFORE INSERT ON access_log FOR EACH ROW EXECUTE FUNCTION disk_full()`,
    // The parent first, as COPY locks them: to drop the trigger alone begins with a partition.
    end: () => `LOCK TABLE access_log IN ACCESS EXCLUSIVE MODE; DROP FUNCTION disk_full() CASCADE`,
  },
  'a login that is refused': {
    code: '28000',
    begin: (role) => `ALTER ROLE ${role} NOLOGIN;
      SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '${role}'`,
    end: (role) => `ALTER ROLE ${role} LOGIN`,
  },
}

t.test('states of the database', async (t) => {
  const database = await testDatabase(t)
  const { sql } = database
  await ensurePartitions(sql, new Date(), 2)

  for (const [name, { code, begin, end }] of Object.entries(STATES)) {
    await t.test(
      `${name}: told, spilled, and when it has ended stored, nothing lost or doubled`,
      async (t) => {
        const { role, ledger, writer, lines, push, instance, directory } = await rigOf(t, database)
        push(100)
        await until(() => ledger.totals.stored === 100)
        await sql.unsafe(begin(role, database.target.database))
        push(700)
        await until(() => ledger.totals.spilled === 700)
        t.equal(writer.stats.isAway, true)
        await until(() => writer.stats.lastErrorCode === code)
        await until(() => lines.some(({ fields }) => fields['code'] === code))
        const told = lines.find(({ fields }) => fields['code'] === code)
        t.equal(told?.level, code === '53100' ? 'warn' : 'error', 'the log tells it, with the code')
        t.match(ledger.totals, { quarantined: 0, dropped: { channel_full: 0, rejected: 0 } })
        await sql.unsafe(end(role, database.target.database))
        push(50)
        await until(() => ledger.totals.stored === 850)
        t.same(brokenAccounts(ledger), [])
        t.same(await writer.drain(5000), { stored: true, lost: 0, spilled: 0 })
        const [rows] = await sql`
        SELECT count(*)::int AS n, count(DISTINCT seq)::int AS seqs FROM access_log WHERE instance = ${instance}`
        t.same(rows, { n: 850, seqs: 850 })
        await assertChain(t, database, instance)
        t.same(readdirSync(directory), [], 'nothing is left on disk')
      },
    )
  }

  t.test('rows that a deferred constraint refuses, at the commit and of no line, are found', async (t) => {
    await sql.unsafe(`CREATE FUNCTION refuse_late() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN IF NEW.path = '/poison' THEN RAISE EXCEPTION 'no'; END IF; RETURN NULL; END $$;
      CREATE CONSTRAINT TRIGGER refuse_late AFTER INSERT ON access_log DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION refuse_late()`)
    t.teardown(() => sql.unsafe('DROP FUNCTION refuse_late() CASCADE'))
    const { ledger, writer, push, instance } = await rigOf(t, database)
    push(200)
    push(1, '/poison')
    push(150)
    push(2, '/poison')
    push(50)
    await writer.flush()
    await until(() => ledger.totals.spilled === 0 && ledger.totals.buffered === 0)
    t.match(ledger.totals, { stored: 400, quarantined: 3 })
    t.same(await writer.drain(5000), { stored: true, lost: 0, spilled: 0 })
    const found = await sql`
      SELECT seq::int, code, detail FROM quarantine WHERE instance = ${instance} ORDER BY seq`
    t.same(
      [...found],
      [201, 352, 353].map((seq) => ({ seq, code: 'P0001', detail: 'no' })),
    )
    const [rows] = await sql`
      SELECT count(*)::int AS n, count(DISTINCT seq)::int AS seqs FROM access_log WHERE instance = ${instance}`
    t.same(rows, { n: 400, seqs: 400 }, 'what was tried out is stored once')
    await assertChain(t, database, instance)
  })
})
