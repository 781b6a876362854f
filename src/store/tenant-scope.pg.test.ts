import t from 'tap'
import { readForward, readWindow } from './entries/entries.ts'
import type { EntryRow } from '../model/entry-columns.ts'
import type { EntryFilter } from './entries/entries.ts'
import { followEntries, listEntries, streamEntries } from './entries/entries.ts'
import { readBatches } from './entries/follow-entries.ts'
import { migrate, MIGRATIONS_DIR } from './migrate.ts'
import { ensurePartitions } from './entries/partitions.ts'
import { readUsageFigures, type UsageCover } from './figures/usage-days.ts'
import { rollUp } from './figures/roll-up.ts'
import { closeSql, openControl, openReader, type Sql, type TransactionSql } from './sql.ts'
import { asTenant, isTenantScopeEnforced } from './tenant-scope.ts'
import { testDatabase } from '../test/database.ts'
import { TestInstance, untilSettled } from '../test/ledger.ts'
import { readUsage, usageByDay } from './entries/usage.ts'

const { sql, target } = await testDatabase(t)
const reader = openReader(target, { statementTimeoutMs: 30_000, max: 2 })
t.teardown(() => closeSql(reader, 1000))

const QUARTER_MS = 900_000
// In the middle of a quarter of an hour: what is stored and asked for around it touches one slot of the figures, whenever the test runs.
const start = new Date(Math.floor(Date.now() / QUARTER_MS) * QUARTER_MS - 4 * QUARTER_MS + 300_000)
const range = { from: new Date(start.getTime() - 60_000), to: new Date(start.getTime() + 120_000) }
await ensurePartitions(sql, new Date(start.getTime() - 86_400_000), 4)
const instance = new TestInstance(sql)
const sealed = instance.seal(
  ['mine', 'theirs', '', 'mine', 'theirs'].map((tenant, i) => ({
    tenant,
    startedAt: new Date(start.getTime() + i * 1000),
    path: `/${tenant}`,
  })),
)
await instance.store(sealed)
await sql`UPDATE access_log SET key_id = 'key-' || tenant, request_id = 'request-' || tenant`
await untilSettled(sql)
while ((await rollUp(sql)).state === 'more');
await sql`
  INSERT INTO figures_usage_days (bytes_received, bytes_sent, n, minute, status_class, refusal, tenant, route, outcome)
  SELECT 0, 0, 1, ${Math.floor(start.getTime() / 86_400_000) * 1440}, 2, '', tenant, '', 'forwarded' FROM unnest('{mine,theirs}'::text[]) tenant`
// Not rolled up: usage joins both sources.
await instance.store(
  instance.seal(
    ['mine', 'theirs'].map((tenant) => ({ tenant, startedAt: new Date(start.getTime() + 61_000) })),
  ),
)

const quarter = Math.floor(start.getTime() / QUARTER_MS) * 15
const cover = (fresh: number[]): UsageCover => ({
  isComplete: true,
  firstMinute: 0,
  first: quarter - 15,
  end: quarter + 30,
  fresh,
  days: [],
  rows: fresh.map((slot) => ({ from: new Date(slot * 60_000), to: new Date((slot + 15) * 60_000) })),
})
const zero = '00000000-0000-0000-0000-000000000000'
const everything = { from: null, to: null, before: null, limit: 100 }

async function collect(chunks: AsyncIterable<readonly EntryRow[]>): Promise<EntryRow[]> {
  const rows: EntryRow[] = []
  for await (const chunk of chunks) rows.push(...chunk)
  return rows
}

async function followed(filter: EntryFilter): Promise<EntryRow[]> {
  const ended = new AbortController()
  const rows: EntryRow[] = []
  const chunks = followEntries(reader, filter, { signal: ended.signal, pollMs: 1, from: range.from })
  const timer = setTimeout(() => ended.abort(), 400)
  for await (const chunk of chunks) rows.push(...chunk)
  clearTimeout(timer)
  return rows
}

/** Every listing that the product makes on a tenant's behalf. */
const LISTINGS: Record<
  string,
  (filter: EntryFilter & { tenant: string }) => Promise<readonly { tenant: string | null }[]>
> = {
  listEntries: async (filter) => (await listEntries(reader, filter, { limit: 100 })).entries,
  streamEntries: (filter) => collect(streamEntries(reader, filter)),
  followEntries: followed,
  usageByDay: async ({ tenant }) => {
    const rows: { tenant: string | null }[] = []
    for await (const chunk of usageByDay(reader, { tenant, since: range.from, until: range.to }))
      rows.push(...chunk)
    return rows
  },
}

/** The statements behind them, with every condition on the tenant removed. */
const STATEMENTS: Record<
  string,
  (tx: TransactionSql, filter: EntryFilter) => Promise<readonly { tenant: string | null }[]>
> = {
  readWindow: (tx, filter) => readWindow(tx, filter, everything),
  readForward: (tx, filter) =>
    readForward(tx, filter, { after: { startedAt: range.from.toISOString(), id: zero }, to: range.to }),
  readBatches: async (tx, filter) => {
    const batch = {
      instance: instance.id,
      batch: 1,
      first_seq: 1,
      last_seq: 7,
      entries: 7,
      first_started_at: range.from.toISOString(),
      last_started_at: range.to.toISOString(),
      written_xid: '0',
    }
    return await readBatches(tx, filter, [batch])
  },
  'readUsage, rows': (tx) => readUsage(tx, range, null),
  'readUsage, roll-ups': (tx) => readUsage(tx, range, { figures: cover([]) }),
  'readUsage, days': (tx) =>
    readUsage(tx, range, { figures: { ...cover([]), days: [quarter - (quarter % 1440)] } }),
  'readUsage, both': (tx) => readUsage(tx, range, { figures: cover([quarter]) }),
  'readUsage, of programs of before': (tx) =>
    readUsage(tx, range, {
      minutes: { firstMinute: 0, freshMinutes: [Math.floor(start.getTime() / 60_000)] },
    }),
  'everything there is': (tx) =>
    tx`SELECT tenant FROM access_log UNION ALL SELECT tenant FROM access_minutes UNION ALL SELECT tenant FROM figures_usage
      UNION ALL SELECT tenant FROM figures_usage_days UNION ALL SELECT tenant FROM figures_tenants`,
}

const theirs: EntryFilter[] = [
  { keyId: 'key-theirs' },
  { requestId: 'request-theirs' },
  { pathPrefix: '/theirs' },
]

t.test('the database itself enforces it', async (t) => {
  t.equal(await isTenantScopeEnforced(reader), true)
  t.equal(await isTenantScopeEnforced(sql), true)
})

for (const [name, list] of Object.entries(LISTINGS)) {
  t.test(`${name} gives a tenant its own entries, and nothing for another's ids`, async (t) => {
    const own = await list({ tenant: 'mine' })
    t.ok(own.length > 0)
    t.ok(own.every((row) => row.tenant === 'mine'))
    if (name === 'usageByDay') return
    for (const filter of theirs) t.same(await list({ ...filter, tenant: 'mine' }), [], JSON.stringify(filter))
  })
}

for (const [name, read] of Object.entries(STATEMENTS)) {
  t.test(`${name} gives nothing of another tenant, even with the WHERE removed`, async (t) => {
    for (const filter of [{}, ...theirs]) {
      const rows = await asTenant(reader, 'mine', (tx) => read(tx, filter))
      t.ok(rows.every((row) => row.tenant === 'mine'))
      if (filter !== theirs[0] && Object.keys(filter).length === 0) t.ok(rows.length > 0, 'but its own')
    }
    t.same(await asTenant(reader, '', (tx) => read(tx, {})), [], 'no tenant, no rows')
    const all = await reader.begin((tx) => read(tx, {}))
    t.ok(new Set(all.map((row) => row.tenant)).size >= 2, 'it would, were it not for the scope')
  })
}

t.test(
  'a scoped transaction reads neither partitions nor the ledger, and leaves nothing behind',
  async (t) => {
    const name = `access_log_${start.toISOString().slice(0, 10).replaceAll('-', '')}`
    for (const table of [name, 'access_ledger', 'quarantine', 'api_keys', 'tenants']) {
      await t.rejects(
        asTenant(reader, 'mine', (tx) => tx.unsafe(`SELECT FROM ${table}`)),
        { code: '42501' },
        table,
      )
    }
    await asTenant(reader, 'mine', (tx) => tx`SELECT FROM access_log`)
    const one = openReader(target, { statementTimeoutMs: 5000, max: 1 })
    t.teardown(() => closeSql(one, 1000))
    await asTenant(one, 'mine', (tx) => tx`SELECT FROM access_log`)
    await t.rejects(asTenant(one, 'mine', (tx) => tx`SELECT 1 / 0`))
    const [after] = await one`
    SELECT current_user = session_user AS is_self, current_setting('row_security') AS row_security,
      coalesce(current_setting('waybill.tenant', true), '') AS tenant`
    t.same(after, { is_self: true, row_security: 'off', tenant: '' })
    await t.rejects(
      asTenant(reader, 'mine', (tx) => tx`DELETE FROM access_log`),
      { code: /^(25006|42501)$/ },
    )
  },
)

t.test('the cover of usage is read in the same snapshot, with the rights of the handle', async (t) => {
  const cover = await asTenant<UsageCover, UsageCover>(
    reader,
    'mine',
    async (_, found) => found,
    (tx) => readUsageFigures(tx, range, true),
  )
  t.same(cover.fresh, [quarter])
})

/** A login of the test's own, dropped at its end. */
async function login(rights: string): Promise<{ handle: Sql; name: string }> {
  const name = `waybill_test_${Math.random().toString(36).slice(2, 10)}`
  await sql.unsafe(`CREATE ROLE ${name} LOGIN ${rights}`)
  await sql.unsafe(`GRANT SELECT ON ALL TABLES IN SCHEMA public TO ${name}`)
  const handle = openControl({ ...target, user: name }, { max: 1 })
  t.teardown(async () => {
    await closeSql(handle, 1000)
    await sql.unsafe(`DROP OWNED BY ${name}`)
    await sql.unsafe(`DROP ROLE ${name}`)
  })
  return { handle, name }
}

t.test(
  'a role that is restricted gets an error where it means to read all, not a confident zero',
  async (t) => {
    const { handle } = await login('')
    await t.rejects(listEntries(handle, {}, { limit: 1 }), { code: '42501', message: /row-level security/ })
    t.equal(await isTenantScopeEnforced(handle), false)
    const { handle: all } = await login('BYPASSRLS')
    t.equal((await listEntries(all, {}, { limit: 100 })).entries.length, 7)
  },
)

t.test('a role that is restricted cannot COPY, the owner can', async (t) => {
  const { handle, name } = await login('')
  // What COPY FROM is refused by (0A000), asked of the server itself.
  const active = async (on: Sql): Promise<unknown> => {
    const [row] = await on`SELECT row_security_active('access_log') AS active`
    return row?.['active']
  }
  t.equal(await active(sql), false)
  t.equal(await active(handle), true)
  await sql.unsafe(`GRANT INSERT ON access_log TO ${name}`)
  await sql.unsafe(`GRANT pg_read_server_files TO ${name}`)
  await handle`SET row_security = on`
  await t.rejects(handle.unsafe(`COPY access_log (id) FROM '/dev/null'`), { code: '0A000' })
  await sql.unsafe(`COPY access_log (id) FROM '/dev/null'`)
})

t.test('a role that may make no roles can migrate, write and read; the WHERE restricts then', async (t) => {
  const { name } = await login('')
  const database = `${target.database}_plain`
  await sql.unsafe(`CREATE DATABASE ${database} OWNER ${name} TEMPLATE template0`)
  const plain = openControl({ ...target, user: name, database }, { max: 1, hasLongStatements: true })
  t.teardown(async () => {
    await closeSql(plain, 1000)
    await sql.unsafe(`DROP DATABASE ${database} WITH (FORCE)`)
  })
  await migrate(plain, { migrationsDir: MIGRATIONS_DIR, allowDestructive: false })
  await ensurePartitions(plain, start, 1)
  const own = new TestInstance(plain)
  await own.store(own.seal(['mine', 'theirs'].map((tenant) => ({ tenant, startedAt: start }))))
  t.equal(await isTenantScopeEnforced(plain), false)
  t.match((await listEntries(plain, { tenant: 'mine' }, { limit: 9 })).entries, [{ tenant: 'mine' }])
  t.equal((await listEntries(plain, {}, { limit: 9 })).entries.length, 2)
  // As an administrator does it afterwards (docs/operating.md).
  await withDatabase(database, async (admin) => {
    await admin.unsafe(`GRANT waybill_reader TO ${name}`)
  })
  t.equal(await isTenantScopeEnforced(plain), true)
  const rows = await asTenant(plain, 'mine', (tx) => readWindow(tx, {}, everything))
  t.match(rows, [{ tenant: 'mine' }])
  t.equal(rows.length, 1)
})

async function withDatabase(database: string, use: (admin: Sql) => Promise<void>): Promise<void> {
  const admin = openControl({ ...target, database }, { max: 1 })
  try {
    await use(admin)
  } finally {
    await closeSql(admin, 1000)
  }
}
