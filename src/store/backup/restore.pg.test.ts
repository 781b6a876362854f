import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import t, { type Test } from 'tap'
import { mintKey } from '../../model/api-key.ts'
import { insertKey, revokeKey, rotateKey } from '../directory/keys.ts'
import { closeSql, openControl, type Sql } from '../sql.ts'
import { createTenant, setTenantState, updateTenant } from '../directory/tenants.ts'
import { testDatabase } from '../../test/database.ts'

const source = await testDatabase(t)

async function addKey(tenant: string): Promise<string> {
  const { id, digest } = mintKey()
  await insertKey(source.sql, {
    id,
    digest,
    tenant,
    name: `tab\there, back\\slash`,
    scopes: ['npm:read', 'files:*'],
    allowNetworks: ['10.0.0.0/8'],
    rateLimit: null,
    expiresAt: null,
  })
  return id
}

for (const slug of ['active', 'gone', 'halted']) await createTenant(source.sql, slug, {})
await addKey('active')
await revokeKey(source.sql, await addKey('active'))
const rotated = mintKey()
await rotateKey(source.sql, await addKey('active'), { id: rotated.id, digest: rotated.digest }, 1000)
await addKey('gone')
await setTenantState(source.sql, 'gone', 'deleted')
await addKey('halted')
await setTenantState(source.sql, 'halted', 'suspended')
for (const n of [1, 2, 3]) await updateTenant(source.sql, 'active', { maxConcurrency: n }, null)

/** As pg_dump writes it: no search_path, qualified names, COPY with all columns. */
async function restore(t: Test, into: Sql, tables: readonly string[]): Promise<void> {
  await into`SELECT pg_catalog.set_config('search_path', '', false), pg_catalog.set_config('row_security', 'off', false)`
  for (const table of tables) {
    const columns = await source.sql<{ list: string }[]>`
      SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) AS list FROM pg_attribute
      WHERE attrelid = ${table}::text::regclass AND attnum > 0 AND NOT attisdropped`
    const copy = `COPY public.${table} (${columns[0]?.list ?? ''})`
    const from: Readable = await source.sql.unsafe(`${copy} TO stdout`).readable()
    await t.resolves(pipeline(from, await into.unsafe(`${copy} FROM stdin`).writable()), table)
  }
}

async function rowsOf(sql: Sql, table: string): Promise<unknown[]> {
  const rows = await sql<
    { row: Record<string, unknown> }[]
  >`SELECT to_jsonb(x) AS row FROM public.${sql(table)} x ORDER BY 1`
  // Transactions are of the server.
  return rows.map(({ row }) => Object.assign(row, { changed_xid: null }))
}

async function fresh(t: Test): Promise<Sql> {
  const database = await testDatabase(t)
  const sql = openControl(database.target, { max: 1 })
  t.teardown(() => closeSql(sql, 1000))
  return sql
}

t.test('D12: tenants and keys are restored into a migrated database, as they were', async (t) => {
  const sql = await fresh(t)
  await restore(t, sql, ['tenants', 'api_keys'])
  for (const table of ['tenants', 'api_keys'])
    t.same(await rowsOf(sql, table), await rowsOf(source.sql, table))
  const news = await sql<{ n: number }[]>`
    SELECT count(*) AS n FROM public.api_keys WHERE changed_xid >= pg_current_xact_id() OR changed_xid = '0'`
  t.equal(news[0]?.n, 0, 'their transactions are of this server, so that gateways see them')
})

t.test('D12: in parts: keys into a database that has their tenants', async (t) => {
  const sql = await fresh(t)
  await restore(t, sql, ['tenants'])
  await restore(t, sql, ['api_keys'])
  t.same(await rowsOf(sql, 'api_keys'), await rowsOf(source.sql, 'api_keys'))
  await sql`UPDATE public.tenants SET state = 'deleted' WHERE slug = 'halted'`
  const [key] =
    await sql`SELECT revoked_at IS NOT NULL AS is_revoked FROM public.api_keys WHERE tenant = 'halted'`
  t.same(key, { is_revoked: true }, 'what follows a deletion does so without a search_path as well')
})

t.test('D12: what must not be undone is still refused', async (t) => {
  const sql = await fresh(t)
  await restore(t, sql, ['tenants', 'api_keys'])
  const insert = (tenant: string, revoked: boolean) => sql`
    INSERT INTO public.api_keys (id, digest, tenant, scopes, revoked_at)
    VALUES ('aaaaaaaaaaaa', ${'a'.repeat(64)}, ${tenant}, '{}', ${revoked ? new Date() : null})`
  await t.rejects(insert('gone', false), { code: 'WB001' })
  await t.rejects(sql`UPDATE public.api_keys SET revoked_at = NULL WHERE revoked_at IS NOT NULL`, {
    code: 'WB002',
  })
  await t.rejects(sql`DELETE FROM public.tenants`, { code: 'WB003' })
})
