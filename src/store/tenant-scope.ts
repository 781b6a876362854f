import type { Sql, TransactionSql } from './sql.ts'

/** The role of migration 0006, which sees the rows of one tenant only. */
const READER_ROLE = 'waybill_reader'

/** Handles that are known to be able to take the role. What was found missing is looked for again: an administrator may add it. */
const ABLE = new WeakSet<Sql>()

/**
 * Runs `work` in a read-only transaction that sees one snapshot, and of `access_log` and the figures only rows of
 * `tenant`: row level security, below and beside the WHERE of the query. The settings end with the transaction, so nothing of
 * them is left on a pooled connection. `before`, if given, runs first in the same snapshot with the handle's own rights.
 *
 * Where the role could not be made (docs/operating.md, "Roles") only the query's WHERE restricts; `isTenantScopeEnforced` tells.
 */
export async function asTenant<T, B = undefined>(
  sql: Sql,
  tenant: string,
  work: (tx: TransactionSql, before: B) => Promise<T>,
  before?: (tx: TransactionSql) => Promise<B>,
): Promise<T> {
  const isEnforced = await isTenantScopeEnforced(sql)
  const result = await sql.begin('isolation level repeatable read read only', async (tx) => {
    const prepared = (await before?.(tx)) as B
    if (isEnforced) {
      // Awaited, though it costs a round trip: a statement of postgres.js is sent when it is awaited, and those of `work` must
      // come after.
      await tx`
        SELECT set_config('row_security', 'on', true), set_config('waybill.tenant', ${tenant}, true),
          set_config('role', ${READER_ROLE}, true)`
    }
    return { value: await work(tx, prepared) }
  })
  return (result as { value: T }).value
}

/** As `asTenant` when there is a tenant; else `work` with the handle itself, which reads all tenants, and nothing before it. */
export async function readScoped<T, B = undefined>(
  sql: Sql,
  tenant: string | undefined,
  work: (tx: Sql | TransactionSql, before: B | undefined) => Promise<T>,
  before?: (tx: TransactionSql) => Promise<B>,
): Promise<T> {
  return tenant === undefined ? await work(sql, undefined) : await asTenant<T, B>(sql, tenant, work, before)
}

/** Whether the database itself keeps tenants apart for this handle: the role is there, and the handle may take it. */
export async function isTenantScopeEnforced(sql: Sql): Promise<boolean> {
  if (ABLE.has(sql)) return true
  // 'SET' came with PostgreSQL 16; before, a member could always take the role.
  const rows = await sql`
    SELECT FROM pg_roles r
    WHERE r.rolname = ${READER_ROLE} AND has_table_privilege(r.oid, to_regclass('access_log'), 'SELECT')
      AND has_table_privilege(r.oid, to_regclass('access_minutes'), 'SELECT')
      AND has_table_privilege(r.oid, to_regclass('figures_usage'), 'SELECT')
      AND has_table_privilege(r.oid, to_regclass('figures_usage_days'), 'SELECT')
      AND has_table_privilege(r.oid, to_regclass('figures_tenants'), 'SELECT')
      AND pg_has_role(r.oid, CASE WHEN current_setting('server_version_num')::int >= 160000 THEN 'SET' ELSE 'MEMBER' END)`
  if (rows.length === 0) return false
  ABLE.add(sql)
  return true
}
