import t, { type Test } from 'tap'
import { testDatabase } from '../../test/database.ts'
import { createTenant, updateTenant } from '../directory/tenants.ts'
import type { Sql } from '../sql.ts'
import { readAdminLogHead, verifyAdminLog } from './verify.ts'

const ENTRIES = 6

/** A log with six entries, and one as somebody has altered it who may. */
async function altered(t: Test, statement: string): Promise<Sql> {
  const { sql } = await testDatabase(t)
  await createTenant(sql, 'acme', {})
  for (let n = 2; n <= ENTRIES; n++) await updateTenant(sql, 'acme', { maxConcurrency: n }, null)
  await sql.begin(async (tx) => {
    for (const table of ['admin_log', 'admin_log_head'])
      await tx.unsafe(`ALTER TABLE ${table} DISABLE TRIGGER USER`)
    await tx.unsafe(statement)
    for (const table of ['admin_log', 'admin_log_head'])
      await tx.unsafe(`ALTER TABLE ${table} ENABLE TRIGGER USER`)
  })
  return sql
}

t.test('a log that nobody altered is complete, and goes on from where it was anchored', async (t) => {
  const sql = await altered(t, 'SELECT 1')
  const anchor = await readAdminLogHead(sql)
  t.match(anchor, { seq: ENTRIES, digest: /^[0-9a-f]{64}$/ })
  await updateTenant(sql, 'acme', { maxConcurrency: 99 }, null)
  const check = await verifyAdminLog(sql, anchor)
  t.match(check, { entries: ENTRIES + 1, broken: null, head: { seq: ENTRIES + 1 } })
  t.match(await verifyAdminLog(sql, { ...anchor, digest: 'f'.repeat(64) }), {
    broken: { seq: ENTRIES, why: /anchor/ },
  })
})

t.test('an empty log is complete', async (t) => {
  const { sql } = await testDatabase(t)
  t.same(await verifyAdminLog(sql), { entries: 0, head: { seq: 0, digest: '' }, broken: null })
})

const forged = `encode(sha256((SELECT digest FROM admin_log WHERE seq = 2) || convert_to(record, 'UTF8')), 'hex')`
for (const [what, statement, seq, why] of [
  [
    'a record that was rewritten',
    `UPDATE admin_log SET record = replace(record, '"max_concurrency": 3', '"max_concurrency": 7') WHERE seq = 3`,
    3,
    /digest/,
  ],
  [
    'a record with a digest of its own',
    `UPDATE admin_log SET record = record || ' '  WHERE seq = 3; UPDATE admin_log SET digest = decode(${forged}, 'hex') WHERE seq = 3`,
    4,
    /digest/,
  ],
  ['a digest that was cut', `UPDATE admin_log SET digest = sha256('') WHERE seq = 1`, 1, /digest/],
  ['an entry that was taken out', 'DELETE FROM admin_log WHERE seq = 4', 4, /missing/],
  ['the last entry that was taken out', `DELETE FROM admin_log WHERE seq = ${ENTRIES}`, ENTRIES, /missing/],
  ['all entries that were taken out', 'DELETE FROM admin_log', 1, /missing/],
  [
    'a time that was moved',
    `UPDATE admin_log SET at = at - interval '1 day' WHERE seq = 2`,
    2,
    /at is not what its record says/,
  ],
  [
    'a head that was moved back',
    `UPDATE admin_log_head SET seq = 5, digest = (SELECT digest FROM admin_log WHERE seq = 5)`,
    6,
    /behind the head/,
  ],
  ['a head of its own', `UPDATE admin_log_head SET digest = sha256('x')`, ENTRIES, /head/],
  [
    'an entry that was put in',
    `INSERT INTO admin_log (seq, at, record, digest) SELECT seq + 1, at, record, digest FROM admin_log WHERE seq = ${ENTRIES}`,
    ENTRIES + 1,
    /behind the head/,
  ],
] as const) {
  t.test(`${what} is found`, async (t) => {
    const sql = await altered(t, statement)
    t.match(await verifyAdminLog(sql), { broken: { seq, why } })
  })
}

t.test('entries that were cut off together with the head are found by an anchor alone', async (t) => {
  const { sql } = await testDatabase(t)
  await createTenant(sql, 'acme', {})
  await updateTenant(sql, 'acme', { maxConcurrency: 2 }, null)
  const anchor = await readAdminLogHead(sql)
  await sql`ALTER TABLE admin_log DISABLE TRIGGER USER`
  await sql`ALTER TABLE admin_log_head DISABLE TRIGGER USER`
  await sql`DELETE FROM admin_log WHERE seq = 2`
  await sql`UPDATE admin_log_head SET seq = 1, digest = (SELECT digest FROM admin_log)`
  t.match(await verifyAdminLog(sql), { broken: null }, 'as if it had never been')
  t.match(await verifyAdminLog(sql, anchor), { broken: { seq: 2, why: /anchor is of entry 2/ } })
})

t.test('entries are neither changed nor removed, and the head follows them', async (t) => {
  const sql = await altered(t, 'SELECT 1')
  const refused = [
    `UPDATE admin_log SET record = '{}'`,
    'DELETE FROM admin_log',
    'TRUNCATE admin_log',
    'DELETE FROM admin_log_head',
    'TRUNCATE admin_log_head',
    'UPDATE admin_log_head SET seq = seq + 1',
    `UPDATE admin_log_head SET digest = sha256('')`,
  ]
  for (const statement of refused) await t.rejects(sql.unsafe(statement), { code: 'WB004' }, statement)
  t.match(await verifyAdminLog(sql), { entries: ENTRIES, broken: null })
})
