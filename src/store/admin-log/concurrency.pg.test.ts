import { randomBytes } from 'node:crypto'
import t from 'tap'
import { mintKey } from '../../model/api-key.ts'
import { testDatabase } from '../../test/database.ts'
import { insertKey, revokeKey } from '../directory/keys.ts'
import { createTenant, getTenant, setTenantState, updateTenant } from '../directory/tenants.ts'
import { closeSql, openControl } from '../sql.ts'
import { listAdminLog } from './admin-log.ts'
import { asActor } from './as-actor.ts'
import { verifyAdminLog } from './verify.ts'

const db = await testDatabase(t)
const { sql } = db
const ANNA = { name: 'anna', via: 'api', from: '192.0.2.7' } as const

t.test('fifty changes at once, of one tenant and of many, are fifty entries in a row', async (t) => {
  const many = openControl(db.target, { max: 20 })
  t.teardown(() => closeSql(many, 1000))
  await createTenant(sql, 'shared', {})
  const before = (await verifyAdminLog(sql)).entries
  const changes = Array.from({ length: 50 }, (_, i) =>
    asActor(many, { ...ANNA, name: `person ${i}` }, async (tx) => {
      await createTenant(tx, `own-${i}`, {})
      // In the order of their names, as rows have to be locked by whoever changes several.
      await updateTenant(tx, `own-${i}`, { maxConcurrency: i + 1 }, null)
      await updateTenant(tx, 'shared', { maxConcurrency: i + 1 }, null)
      if (i % 5 === 0) await setTenantState(tx, `own-${i}`, 'deleted')
    }),
  )
  await Promise.all(changes)
  const check = await verifyAdminLog(sql)
  t.match(check, { entries: before + 160, broken: null })
  const shared = await listAdminLog(sql, { subject: 'tenant:shared' }, { order: 'oldest', limit: 1000 })
  const values = shared
    .slice(1)
    .map(({ before: old, after }) => [old?.['max_concurrency'], after?.['max_concurrency']])
  t.same(
    values.slice(1).map(([old]) => old),
    values.slice(0, -1).map(([, now]) => now),
    'in the order of the commits',
  )
  t.equal(values.at(-1)?.[1], (await getTenant(sql, 'shared'))?.maxConcurrency)
})

t.test('a transaction that stays open holds up no change but of its own rows', async (t) => {
  const other = openControl(db.target, { max: 1 })
  t.teardown(() => closeSql(other, 1000))
  await createTenant(sql, 'left', {})
  await createTenant(sql, 'right', {})
  await sql.begin(async (tx) => {
    await updateTenant(tx, 'left', { maxConcurrency: 1 }, null)
    await asActor(other, ANNA, (own) => updateTenant(own, 'right', { maxConcurrency: 1 }, null))
    // Each would wait for the other if the place in the log were taken at the change.
    await updateTenant(tx, 'right', { maxConcurrency: 2 }, null)
  })
  const entries = await listAdminLog(sql, {}, { order: 'newest', limit: 3 })
  t.match(
    entries.map(({ subject, actor }) => [subject, actor]),
    [
      ['tenant:right', db.target.user],
      ['tenant:left', db.target.user],
      ['tenant:right', 'anna'],
    ],
  )
})

t.test('a change that cannot be written down is not made, and its caller is told', async (t) => {
  const holder = openControl(db.target, { max: 1 })
  t.teardown(() => closeSql(holder, 1000))
  await createTenant(sql, 'held', {})
  const { id, digest } = mintKey()
  const rest = { name: null, scopes: ['*:read'], allowNetworks: [], rateLimit: null, expiresAt: null }
  await insertKey(sql, { id, digest, tenant: 'held', ...rest })
  await holder.begin(async (tx) => {
    await tx`SELECT FROM admin_log_head FOR UPDATE`
    await t.rejects(revokeKey(sql, id), { code: '55P03' })
  })
  t.match(await sql`SELECT revoked_at FROM api_keys WHERE id = ${id}`, [{ revoked_at: null }])
  t.match(await revokeKey(sql, id), { changed: true })
})

t.test('a transaction with an old view of the log is refused, and forks nothing', async (t) => {
  await t.rejects(
    sql.begin('isolation level repeatable read', async (tx) => {
      await tx`UPDATE tenants SET max_concurrency = 5 WHERE slug = 'left'`
      await updateTenant(sql, 'right', { maxConcurrency: 6 }, null)
    }),
    { code: '40001' },
  )
  t.match(await verifyAdminLog(sql), { broken: null })
})

t.test('a role that may only change tenants changes them, is named, and cannot forge entries', async (t) => {
  const role = `waybill_test_${randomBytes(6).toString('hex')}`
  await sql`CREATE ROLE ${sql(role)}`
  t.teardown(async () => {
    await sql`DROP OWNED BY ${sql(role)}`
    await sql`DROP ROLE ${sql(role)}`
  })
  await sql`GRANT USAGE ON SCHEMA public TO ${sql(role)}`
  await sql`GRANT SELECT, INSERT, UPDATE ON tenants TO ${sql(role)}`
  const own = openControl(db.target, { max: 1 })
  try {
    await own`SET SESSION AUTHORIZATION ${own(role)}`
    await createTenant(own, 'of-the-role', {})
    for (const statement of [
      `SELECT admin_log_append('tenant.created', 'tenant:x', NULL, NULL, NULL, NULL)`,
      `INSERT INTO admin_log (seq, at, record, digest) VALUES (999, now(), '{}', sha256(''))`,
      'SELECT FROM admin_log',
      `UPDATE admin_log_head SET seq = 1`,
      `CREATE TEMP TABLE mine (slug text); CREATE TRIGGER x AFTER INSERT ON mine FOR EACH ROW EXECUTE FUNCTION admin_log_row('tenant', 'slug', '')`,
    ])
      await t.rejects(own.unsafe(statement), { code: '42501' }, statement)
  } finally {
    await closeSql(own, 1000)
  }
  t.match(await listAdminLog(sql, {}, { order: 'newest', limit: 1 }), [
    { subject: 'tenant:of-the-role', actor: role, role, via: 'sql' },
  ])
})
