import t from 'tap'
import { mintKey } from '../../model/api-key.ts'
import { testDatabase } from '../../test/database.ts'
import { insertKey, revokeKey, rotateKey, touchKeys, updateKey } from '../directory/keys.ts'
import { ensureSigningKey, rotateSigningKeys } from '../directory/signing-keys.ts'
import { createTenant, setTenantState, updateTenant } from '../directory/tenants.ts'
import { dropQuarantined } from '../entries/quarantine.ts'
import { setRetention, settleRetention } from '../entries/retention.ts'
import { closeSql, openControl } from '../sql.ts'
import { type AdminLogEntry, listAdminLog } from './admin-log.ts'
import { asActor } from './as-actor.ts'

const db = await testDatabase(t)
const { sql } = db
const ANNA = { name: "Anna O'Neill", via: 'api', from: '192.0.2.7' } as const

/** What was added to the log by `work`, oldest first. */
async function entriesOf(work: () => Promise<unknown>): Promise<AdminLogEntry[]> {
  const [last] = await listAdminLog(sql, {}, { order: 'newest', limit: 1 })
  await work()
  return await listAdminLog(sql, {}, { order: 'oldest', after: last?.seq ?? 0, limit: 1000 })
}

async function addKey(tenant: string): Promise<{ id: string; digest: string }> {
  const { id, digest } = mintKey()
  const rest = { scopes: ['npm:read'], allowNetworks: ['10.0.0.0/8'], rateLimit: null, expiresAt: null }
  await insertKey(sql, { id, digest, tenant, name: 'ci', ...rest })
  return { id, digest }
}

t.test('a change of a tenant says who, from where, and the fields that changed', async (t) => {
  const [created] = await entriesOf(() => asActor(sql, ANNA, (tx) => createTenant(tx, 'acme', {})))
  t.match(created, {
    actor: "Anna O'Neill",
    via: 'api',
    from: '192.0.2.7',
    role: db.target.user,
    action: 'tenant.created',
    subject: 'tenant:acme',
    tenant: 'acme',
    before: null,
    after: { slug: 'acme', state: 'active', log_policy: 'spill', rate_per_second: null },
  })
  t.ok(created !== undefined && Math.abs(created.at.getTime() - Date.now()) < 60_000)
  const changed = await entriesOf(() =>
    asActor(sql, ANNA, (tx) =>
      updateTenant(tx, 'acme', { rateLimit: { perSecond: 2.5, burst: 5 }, maxConcurrency: 4 }, null),
    ),
  )
  t.equal(changed.length, 1)
  t.same(changed[0]?.before, { rate_burst: null, max_concurrency: null, rate_per_second: null })
  t.same(changed[0]?.after, { rate_burst: 5, max_concurrency: 4, rate_per_second: 2.5 })
  const states = await entriesOf(async () => {
    await setTenantState(sql, 'acme', 'suspended')
    await setTenantState(sql, 'acme', 'active')
  })
  t.match(states, [
    { action: 'tenant.suspended', before: { state: 'active' }, after: { state: 'suspended' } },
    { action: 'tenant.resumed' },
  ])
})

t.test('what changes nothing, and what gateways keep up, makes no entry', async (t) => {
  const { id } = await addKey('acme')
  await settleRetention(sql, 30, 'a gateway')
  const entries = await entriesOf(async () => {
    await sql`UPDATE tenants SET log_policy = log_policy WHERE slug = 'acme'`
    await touchKeys(sql, new Map([[id, Date.now()]]))
    await sql`UPDATE access_log_retention SET clock_seen_at = now()`
    await settleRetention(sql, 20, 'another gateway')
    await setTenantState(sql, 'acme', 'active')
  })
  t.same(entries, [])
})

t.test('keys are minted, changed, rotated and revoked; their digests are not told', async (t) => {
  const digests: string[] = []
  const entries = await entriesOf(async () => {
    const { id, digest } = await addKey('acme')
    const next = mintKey()
    digests.push(digest, next.digest)
    await updateKey(sql, id, { name: 'build' }, null)
    await rotateKey(sql, id, { id: next.id, digest: next.digest }, 60_000)
    await revokeKey(sql, next.id)
    await revokeKey(sql, next.id)
  })
  t.match(entries, [
    {
      action: 'key.created',
      tenant: 'acme',
      name: 'ci',
      after: { scopes: ['npm:read'], allow_networks: ['10.0.0.0/8'] },
    },
    { action: 'key.changed', name: 'build', before: { name: 'ci' }, after: { name: 'build' } },
    { action: 'key.created' },
    { action: 'key.rotated', before: { rotated_to: null } },
    { action: 'key.revoked', before: { revoked_at: null } },
  ])
  t.equal(entries.length, 5)
  for (const digest of digests) t.notMatch(JSON.stringify(entries), digest)
  t.match(entries[4]?.after?.['revoked_at'], /^\d{4}-.*\+00:00$/, 'times are in UTC')
})

t.test('the deletion of a tenant revokes its keys, all by the same person', async (t) => {
  await createTenant(sql, 'gone', {})
  await addKey('gone')
  await addKey('gone')
  const entries = await entriesOf(() => asActor(sql, ANNA, (tx) => setTenantState(tx, 'gone', 'deleted')))
  t.same(entries.map(({ action }) => action).sort(), ['key.revoked', 'key.revoked', 'tenant.deleted'])
  t.same(new Set(entries.map(({ actor }) => actor)), new Set([ANNA.name]))
  t.same(new Set(entries.map(({ tenant }) => tenant)), new Set(['gone']))
})

t.test('signing keys, retention and decisions on quarantine are in it, and no secret is', async (t) => {
  const entries = await entriesOf(async () => {
    await ensureSigningKey(sql)
    await rotateSigningKeys(sql, true)
    await setRetention(sql, 60, 'the test')
    const [row] = await sql<{ id: number }[]>`
      INSERT INTO quarantine (instance, seq, tenant, code, row) VALUES (gen_random_uuid(), 1, 'acme', '22021', 'x') RETURNING id`
    await dropQuarantined(sql, row?.id ?? 0)
    await sql`DELETE FROM quarantine`
  })
  t.match(entries, [
    { action: 'signing-key.created', subject: /^signing-key:[0-9a-f]{16}$/ },
    { action: 'signing-key.deleted' },
    { action: 'signing-key.created' },
    {
      action: 'retention.changed',
      subject: 'retention',
      before: { days: 30 },
      after: { days: 60, is_explicit: true },
    },
    { action: 'quarantine.dropped', subject: /^quarantine:\d+$/, tenant: 'acme' },
  ])
  t.equal(entries.length, 5, 'a row that was decided on before goes without a word')
  t.notMatch(JSON.stringify(entries), /secret/)
})

t.test('a change by hand has the role, the address and the program', async (t) => {
  const own = openControl(db.target, { applicationName: 'psql', max: 1 })
  t.teardown(() => closeSql(own, 1000))
  const entries = await entriesOf(async () => {
    await own`UPDATE tenants SET max_concurrency = 9 WHERE slug = 'acme'`
    await own`SET waybill.via TO 'api'`
    await own`UPDATE tenants SET max_concurrency = 10 WHERE slug = 'acme'`
    await own`TRUNCATE signing_keys`
  })
  const byHand = { actor: db.target.user, via: 'sql', from: /\(psql\)$/ }
  t.match(entries, [byHand, byHand, { ...byHand, action: 'signing-key.truncated', subject: 'signing-key' }])
})

t.test('a session that was told its actor has it on each connection, whatever its name holds', async (t) => {
  const name = String.raw`o'brien\'; DROP TABLE tenants; -- ü`
  const own = openControl(db.target, { actor: { name, via: 'cli', from: 'bastion' }, max: 1 })
  t.teardown(() => closeSql(own, 1000))
  const entries = await entriesOf(() => updateTenant(own, 'acme', { maxConcurrency: 11 }, null))
  t.match(entries, [{ actor: String.raw`o'brien\'; DROP TABLE tenants; -- ?`, via: 'cli', from: 'bastion' }])
  const after = await entriesOf(async () => {
    await asActor(own, ANNA, (tx) => updateTenant(tx, 'acme', { maxConcurrency: 12 }, null))
    await updateTenant(own, 'acme', { maxConcurrency: 13 }, null)
  })
  t.match(
    after,
    [{ actor: ANNA.name }, { via: 'cli', from: 'bastion' }],
    'an actor ends with its transaction',
  )
})

t.test('what is rolled back is not in it, and its number is given again', async (t) => {
  const failure = new Error('no')
  const entries = await entriesOf(async () => {
    await t.rejects(
      asActor(sql, ANNA, async (tx) => {
        await updateTenant(tx, 'acme', { maxConcurrency: 77 }, null)
        throw failure
      }),
      failure,
    )
    await updateTenant(sql, 'acme', { maxConcurrency: 78 }, null)
  })
  t.equal(entries.length, 1)
  const seqs = await sql<{ n: number; last: number }[]>`SELECT count(*) AS n, max(seq) AS last FROM admin_log`
  t.equal(seqs[0]?.n, seqs[0]?.last)
})

t.test('what was done is told by actor, subject, kind, tenant and time, page by page', async (t) => {
  const list = (filter: Parameters<typeof listAdminLog>[1], limit = 1000) =>
    listAdminLog(sql, filter, { order: 'oldest', limit })
  const all = await list({})
  const count = (is: (entry: AdminLogEntry) => boolean) => all.filter(is).length
  t.equal(
    (await list({ actor: ANNA.name })).length,
    count(({ actor }) => actor === ANNA.name),
  )
  t.equal(
    (await list({ subject: 'tenant:acme' })).length,
    count(({ subject }) => subject === 'tenant:acme'),
  )
  t.equal(
    (await list({ subject: 'key' })).length,
    count(({ subject }) => subject.startsWith('key:')),
  )
  t.equal(
    (await list({ subject: 'retention' })).length,
    count(({ subject }) => subject === 'retention'),
  )
  t.equal((await list({ subject: '%' })).length, 0)
  t.equal(
    (await list({ tenant: 'gone' })).length,
    count(({ tenant }) => tenant === 'gone'),
  )
  const middle = all[5]?.at ?? new Date()
  t.same([...(await list({ until: middle })), ...(await list({ since: middle }))].length, all.length)
  const pages: AdminLogEntry[] = []
  for (let after: number | undefined; ;) {
    const page = await listAdminLog(
      sql,
      {},
      { order: 'newest', limit: 7, ...(after === undefined ? {} : { after }) },
    )
    pages.push(...page)
    if (page.length < 7) break
    after = page.at(-1)?.seq
  }
  t.same(pages, all.toReversed())
})
