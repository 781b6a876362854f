import t from 'tap'
import { CopyConnection } from '../writer/database/copy.ts'
import { entryOf, sealedBatch } from '../test/writer-parts.ts'
import { openControl, openReader, closeSql } from '../store/sql.ts'
import { ensurePartitions } from '../store/entries/partitions.ts'
import { testDatabase } from '../test/database.ts'
import { testWaybill } from '../test/waybill.ts'

t.setTimeout(120_000)

/** What a role or a database may have been given for others' sake. */
const HOSTILE: Readonly<Record<string, string>> = {
  DateStyle: "'German, DMY'",
  IntervalStyle: "'sql_standard'",
  TimeZone: "'Asia/Kathmandu'",
  extra_float_digits: '-15',
  bytea_output: "'escape'",
  client_encoding: "'LATIN1'",
  standard_conforming_strings: 'off',
  default_transaction_isolation: "'serializable'",
  default_transaction_deferrable: 'on',
  row_security: 'on',
  session_replication_role: "'replica'",
  statement_timeout: "'2s'",
  lock_timeout: "'5ms'",
  idle_in_transaction_session_timeout: "'1ms'",
  idle_session_timeout: "'1s'",
  synchronous_commit: 'off',
  array_nulls: 'off',
  transform_null_equals: 'on',
}

const db = await testDatabase(t)
await ensurePartitions(db.sql, new Date(Date.now() - 86_400_000), 3)
for (const [name, value] of Object.entries(HOSTILE)) {
  await db.sql.unsafe(`ALTER DATABASE ${db.target.database} SET ${name} = ${value}`)
}
const waybill = await testWaybill(t, db.url)

t.test('R20: no setting of a role or a database reaches a session', async (t) => {
  const control = openControl(db.target, { max: 1 })
  const reader = openReader(db.target, { statementTimeoutMs: 5000 })
  t.teardown(() => Promise.all([control, reader].map((sql) => closeSql(sql, 1000))))
  for (const sql of [control, reader]) {
    const rows = await sql<{ name: string; setting: string; reset: string }[]>`
      SELECT name, setting, reset_val AS reset FROM pg_settings WHERE lower(name) = ANY(${Object.keys(HOSTILE).map((n) => n.toLowerCase())})`
    t.equal(rows.length, Object.keys(HOSTILE).length)
    for (const { name, setting, reset } of rows) {
      // The drivers ask for UTF8 themselves, which makes it the one to go back to.
      const isOurs = name !== 'synchronous_commit' && name !== 'client_encoding'
      if (isOurs) t.not(setting, reset, name)
    }
    const [row] = await sql<{ at: Date; float: number; bytes: Buffer }[]>`
      SELECT timestamptz '2026-03-04 05:06:07.089Z' AS at, 0.1::float8 + 0.2::float8 AS float, '\\x00ff'::bytea AS bytes`
    t.same(row?.at, new Date('2026-03-04T05:06:07.089Z'))
    t.equal(row?.float, 0.1 + 0.2)
    t.same(row?.bytes, Buffer.from([0, 255]))
  }
})

t.test('R20: the writer stores, and with a commit that waits for the disk', async (t) => {
  const writer = new CopyConnection(db.target, { copyTimeoutMs: 5000 })
  t.teardown(() => writer.close())
  const entry = entryOf({ tenant: 'acme', startedAtMs: Date.now(), path: '/ü/\\x' })
  t.match(await writer.store(sealedBatch([entry], { number: 1, dropped: null })), {
    state: 'stored',
    rows: 1,
  })
})

t.test('R20: keys with an expiry and listings are what they are elsewhere', async (t) => {
  // Where day and month can be exchanged unnoticed.
  const day = `${new Date().getUTCFullYear() + 1}-03-04`
  const minted = await waybill.run('keys', 'mint', '--tenant', 'acme', '--expires', day)
  t.equal(minted.code, 0, minted.stderr)
  t.match(minted.stdout, /^wb_/)
  const listed = await waybill.run('keys', 'list', '--json')
  t.match(listed.stdout, `${day}T`, listed.stderr)
  const logs = await waybill.run('logs', '--json')
  t.equal(logs.code, 0, logs.stderr)
  t.match(logs.stdout, '/ü/')
  const table = await waybill.run('logs')
  t.match(table.stdout, '/ü/', JSON.stringify(table))
  const usage = await waybill.run('usage', '--tenant', 'acme', '--json')
  t.equal(usage.code, 0, usage.stderr)
})
