import { type TenantGrant, tenantGrant, type TenantState } from '../../model/grant.ts'
import {
  changedSettings,
  INITIAL_SETTINGS,
  settingsOfRow,
  settingsToRow,
  type TenantChanges,
  type TenantSettings,
} from '../../model/tenant-settings.ts'
import { StoreError } from '../errors.ts'
import { inTransaction, type Sql, sqlStateOf, type TransactionSql } from '../sql.ts'

/** A tenant as the control plane shows it. */
export interface Tenant extends TenantGrant {
  readonly createdAt: Date
  readonly updatedAt: Date
}

/** A row of `tenants`; the columns of the settings stand in SETTING_COLUMNS. */
interface TenantRow extends Readonly<Record<string, unknown>> {
  readonly slug: string
  readonly state: TenantState
  readonly version: number
  readonly created_at: Date
  readonly updated_at: Date
}

/** Creates an active tenant. Rejects with StoreError `tenant_exists`, for a deleted one too: slugs are not used twice. */
export async function createTenant(
  sql: Sql | TransactionSql,
  slug: string,
  changes: TenantChanges,
): Promise<Tenant> {
  const settings = changedSettings(INITIAL_SETTINGS, changes)
  const rows = await sql<TenantRow[]>`
    INSERT INTO tenants ${sql({ slug, ...settingColumns(sql, settings) })}
    ON CONFLICT (slug) DO NOTHING
    RETURNING *`
  const [row] = rows
  if (row === undefined) {
    throw new StoreError('tenant_exists', `tenant ${slug} exists, or existed: slugs are not used twice`)
  }
  return toTenant(row)
}

/** Tenants in the order of their slugs, `limit` (1,000) at most, those after `after`; deleted ones only when asked for. */
export async function listTenants(
  sql: Sql,
  options: { readonly after?: string; readonly limit?: number; readonly includeDeleted?: boolean } = {},
): Promise<Tenant[]> {
  const rows = await sql<TenantRow[]>`
    SELECT * FROM tenants
    WHERE slug > ${options.after ?? ''} ${options.includeDeleted === true ? sql`` : sql`AND state <> 'deleted'`}
    ORDER BY slug LIMIT ${options.limit ?? 1000}`
  return rows.map(toTenant)
}

/** The tenant, deleted or not; null when there never was one. */
export async function getTenant(sql: Sql, slug: string): Promise<Tenant | null> {
  const [row] = await sql<TenantRow[]>`SELECT * FROM tenants WHERE slug = ${slug}`
  return row === undefined ? null : toTenant(row)
}

/**
 * Changes a tenant's settings; with `ifVersion`, only while it still has that version. Rejects with StoreError
 * `tenant_not_found`, `tenant_deleted` or `stale_version`, having changed nothing.
 */
export async function updateTenant(
  sql: Sql | TransactionSql,
  slug: string,
  changes: TenantChanges,
  ifVersion: number | null,
): Promise<Tenant> {
  return await inTransaction(sql, async (tx) => {
    const tenant = await lockTenant(tx, slug)
    if (tenant.state === 'deleted') throw tenantDeleted(slug)
    if (ifVersion !== null && ifVersion !== tenant.version) {
      throw new StoreError('stale_version', `tenant ${slug} has been changed meanwhile: read it again`)
    }
    const settings = changedSettings(tenant, changes)
    const rows = await tx<TenantRow[]>`
      UPDATE tenants SET ${tx(settingColumns(tx, settings))} WHERE slug = ${slug} RETURNING *`
    return toTenant(only(rows))
  })
}

/**
 * Suspends, resumes or deletes a tenant; `changed` is false when it was in that state before. Deleting is final and revokes
 * the tenant's keys in the same transaction. Rejects with StoreError `tenant_not_found` or `tenant_deleted`.
 */
export async function setTenantState(
  sql: Sql | TransactionSql,
  slug: string,
  state: TenantState,
): Promise<{ tenant: Tenant; changed: boolean }> {
  return await inTransaction(sql, async (tx) => {
    const tenant = await lockTenant(tx, slug)
    if (tenant.state === state) return { tenant, changed: false }
    if (tenant.state === 'deleted') throw tenantDeleted(slug)
    const rows = await tx<TenantRow[]>`UPDATE tenants SET state = ${state} WHERE slug = ${slug} RETURNING *`
    return { tenant: toTenant(only(rows)), changed: true }
  })
}

/** The refusal that a write on a deleted tenant ends in; also for what its triggers report (SQLSTATE WB001). */
export function tenantDeleted(slug: string): StoreError {
  return new StoreError('tenant_deleted', `tenant ${slug} is deleted, which is final`)
}

/** True when the database refused because the tenant is deleted. */
export function isTenantDeleted(error: unknown): boolean {
  return sqlStateOf(error) === 'WB001'
}

async function lockTenant(tx: TransactionSql, slug: string): Promise<Tenant> {
  const [row] = await tx<TenantRow[]>`SELECT * FROM tenants WHERE slug = ${slug} FOR NO KEY UPDATE`
  if (row === undefined) throw new StoreError('tenant_not_found', `there is no tenant ${slug}`)
  return toTenant(row)
}

/** The settings as columns, for the driver. */
function settingColumns(sql: Sql | TransactionSql, settings: TenantSettings) {
  const columns = Object.entries(settingsToRow(settings)).map(([name, value]) => [
    name,
    typeof value === 'object' && value !== null ? sql.json(value as Readonly<Record<string, never>>) : value,
  ])
  return Object.fromEntries(columns) as Readonly<Record<string, string>>
}

function toTenant(row: TenantRow): Tenant {
  const { slug, state, version, created_at: createdAt, updated_at: updatedAt } = row
  return { ...tenantGrant({ slug, state, version, ...settingsOfRow(row) }), createdAt, updatedAt }
}

function only(rows: readonly TenantRow[]): TenantRow {
  const [row] = rows
  if (row === undefined) throw new Error('the locked tenant has vanished')
  return row
}
