import type { Sql } from './sql.ts'
import { isTenantScopeEnforced } from './tenant-scope.ts'

/** What of the database keeps tenants apart, by migration 0006. */
const SCOPED_TABLES = [
  'access_log',
  'access_minutes',
  'figures_usage',
  'figures_usage_days',
  'figures_tenants',
]

/**
 * What is missing of what keeps tenants' rows apart, one phrase each; empty when it is in force for `reader`. A restore into another
 * server brings the tables and not the role, and grants and policies only as far as the role was there.
 */
export async function missingOfTenantScope(control: Sql, reader: Sql): Promise<string[]> {
  const tables = await control<{ name: string; is_on: boolean; has_policy: boolean }[]>`
    SELECT c.relname AS name, c.relrowsecurity AS is_on,
      EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid) AS has_policy
    FROM pg_class c WHERE c.oid IN (SELECT to_regclass(name)::oid FROM unnest(${SCOPED_TABLES}::text[]) name)
    ORDER BY c.relname`
  const missing: string[] = []
  for (const { name, is_on: isOn, has_policy: hasPolicy } of tables) {
    if (!isOn) missing.push(`row level security of ${name} is off`)
    if (!hasPolicy) missing.push(`${name} has no policy`)
  }
  if (!(await isTenantScopeEnforced(reader)))
    missing.push('the role waybill_reader is not there, or lacks its grants')
  return missing
}

/** Connections that this role may have to this database, all its gateways together, and what bounds them. */
export interface ConnectionBound {
  readonly connections: number
  readonly by: string
}

/** Read from the server's settings and the limits of role and database (PostgreSQL manual §19.3.1, CREATE ROLE, CREATE DATABASE). */
export async function readConnectionBound(sql: Sql): Promise<ConnectionBound | null> {
  const [row] = await sql<{ server: number; role: number | null; database: number | null }[]>`
    SELECT s.max - CASE WHEN r.rolsuper THEN 0 ELSE s.super
        + CASE WHEN to_regrole('pg_use_reserved_connections') IS NULL THEN 0
          WHEN pg_has_role(to_regrole('pg_use_reserved_connections'), 'USAGE') THEN 0 ELSE s.reserved END END AS server,
      CASE WHEN NOT r.rolsuper AND r.rolconnlimit >= 0 THEN r.rolconnlimit END AS role,
      CASE WHEN NOT r.rolsuper AND d.datconnlimit >= 0 THEN d.datconnlimit END AS database
    FROM pg_roles r, pg_database d, (
      SELECT current_setting('max_connections')::int AS max, current_setting('superuser_reserved_connections')::int AS super,
        coalesce(current_setting('reserved_connections', true)::int, 0) AS reserved
    ) s
    WHERE r.rolname = session_user AND d.datname = current_database()`
  if (row === undefined) return null
  const bounds: ConnectionBound[] = [
    { connections: row.server, by: 'max_connections, less what is reserved' },
  ]
  if (row.role !== null) bounds.push({ connections: row.role, by: "the role's CONNECTION LIMIT" })
  if (row.database !== null) bounds.push({ connections: row.database, by: "the database's CONNECTION LIMIT" })
  return bounds.reduce((least, bound) => (bound.connections < least.connections ? bound : least))
}
