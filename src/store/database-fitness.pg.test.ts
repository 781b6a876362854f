import { randomBytes } from 'node:crypto'
import t from 'tap'
import { missingOfTenantScope, readConnectionBound } from './database-fitness.ts'
import { closeSql, openControl, openReader, type Sql } from './sql.ts'
import { testDatabase } from '../test/database.ts'

const { sql, target } = await testDatabase(t)
const role = `waybill_fit_${randomBytes(6).toString('hex')}`
await sql`CREATE ROLE ${sql(role)} LOGIN`
t.teardown(async () => {
  await sql`DROP OWNED BY ${sql(role)}`
  await sql`DROP ROLE ${sql(role)}`
})

/** A handle whose session is the other role's. */
async function asRole(use: (own: Sql) => Promise<void>): Promise<void> {
  const own = openControl(target, { max: 1 })
  await own`SET SESSION AUTHORIZATION ${own(role)}`
  await use(own)
  await closeSql(own, 1000)
}

t.test('F4: the bound of connections is the least of what server, role and database allow', async (t) => {
  const [row] = await sql<{ max: number; kept: number }[]>`
    SELECT current_setting('max_connections')::int AS max,
      current_setting('superuser_reserved_connections')::int + coalesce(current_setting('reserved_connections', true)::int, 0) AS kept`
  const { max = 0, kept = 0 } = row ?? {}
  t.match(await readConnectionBound(sql), { connections: max }, 'a superuser has them all')
  await asRole(async (own) => {
    t.match(await readConnectionBound(own), { connections: max - kept, by: /max_connections/ })
    await sql`ALTER ROLE ${sql(role)} CONNECTION LIMIT 7`
    t.match(await readConnectionBound(own), { connections: 7, by: /role/ })
    await sql`ALTER DATABASE ${sql(target.database)} CONNECTION LIMIT 5`
    t.match(await readConnectionBound(own), { connections: 5, by: /database/ })
    await sql`ALTER DATABASE ${sql(target.database)} CONNECTION LIMIT -1`
    await sql`ALTER ROLE ${sql(role)} CONNECTION LIMIT -1`
  })
})

t.test('G11: what a restore loses of row level security is named', async (t) => {
  const reader = openReader(target, { statementTimeoutMs: 10_000, max: 1 })
  t.teardown(() => closeSql(reader, 1000))
  t.same(await missingOfTenantScope(sql, reader), [])
  await sql`ALTER TABLE access_log DISABLE ROW LEVEL SECURITY`
  t.same(await missingOfTenantScope(sql, reader), ['row level security of access_log is off'])
  await sql`ALTER TABLE access_log ENABLE ROW LEVEL SECURITY`
  await sql`DROP POLICY access_minutes_tenant ON access_minutes`
  t.same(await missingOfTenantScope(sql, reader), ['access_minutes has no policy'])
  await asRole(async (own) => {
    t.match(await missingOfTenantScope(sql, own), [
      'access_minutes has no policy',
      /^the role waybill_reader/,
    ])
  })
})
