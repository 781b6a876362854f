import type { TenantState } from '../../model/grant.ts'
import { DEFAULT_LOG_POLICY, type LogPolicy } from '../../model/log-policy.ts'
import type { RateLimit } from '../../model/route.ts'
import { StoreError } from '../errors.ts'
import { type Sql, sqlStateOf, type TransactionSql } from '../sql.ts'

/** A tenant as the control plane shows it. */
export interface Tenant {
  readonly slug: string
  readonly state: TenantState
  readonly rateLimit: RateLimit | null
  readonly routeRateLimits: Readonly<Record<string, RateLimit>>
  /** Requests in flight at once; null for no limit. */
  readonly maxConcurrency: number | null
  readonly logPolicy: LogPolicy
  /** Grows by one with each change. */
  readonly version: number
  readonly createdAt: Date
  readonly updatedAt: Date
}

/** What can be set on a tenant: undefined leaves a setting, null removes it; `routeRateLimits` is merged route by route. */
export interface TenantSettings {
  readonly rateLimit?: RateLimit | null
  readonly routeRateLimits?: Readonly<Record<string, RateLimit | null>>
  readonly maxConcurrency?: number | null
  readonly logPolicy?: LogPolicy
}

interface TenantRow {
  slug: string
  state: TenantState
  rate_per_second: number | null
  rate_burst: number | null
  route_rate_limits: Record<string, RateLimit>
  max_concurrency: number | null
  log_policy: LogPolicy
  version: number
  created_at: Date
  updated_at: Date
}

/** Creates an active tenant. Rejects with StoreError `tenant_exists`, for a deleted one too: slugs are not used twice. */
export async function createTenant(sql: Sql, slug: string, settings: TenantSettings): Promise<Tenant> {
  const routes = mergeRoutes({}, settings.routeRateLimits)
  const rows = await sql<TenantRow[]>`
    INSERT INTO tenants (slug, rate_per_second, rate_burst, route_rate_limits, max_concurrency, log_policy)
    VALUES (${slug}, ${settings.rateLimit?.perSecond ?? null}, ${settings.rateLimit?.burst ?? null},
            ${sql.json(routes)}, ${settings.maxConcurrency ?? null},
            ${settings.logPolicy ?? DEFAULT_LOG_POLICY})
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
  sql: Sql,
  slug: string,
  settings: TenantSettings,
  ifVersion: number | null,
): Promise<Tenant> {
  return await sql.begin(async (tx) => {
    const tenant = await lockTenant(tx, slug)
    if (tenant.state === 'deleted') throw tenantDeleted(slug)
    if (ifVersion !== null && ifVersion !== tenant.version) {
      throw new StoreError('stale_version', `tenant ${slug} has been changed meanwhile: read it again`)
    }
    const rate = settings.rateLimit === undefined ? tenant.rateLimit : settings.rateLimit
    const concurrency =
      settings.maxConcurrency === undefined ? tenant.maxConcurrency : settings.maxConcurrency
    const routes = mergeRoutes(tenant.routeRateLimits, settings.routeRateLimits)
    const rows = await tx<TenantRow[]>`
      UPDATE tenants SET rate_per_second = ${rate?.perSecond ?? null}, rate_burst = ${rate?.burst ?? null},
        route_rate_limits = ${tx.json(routes)}, max_concurrency = ${concurrency},
        log_policy = ${settings.logPolicy ?? tenant.logPolicy}
      WHERE slug = ${slug} RETURNING *`
    return toTenant(only(rows))
  })
}

/**
 * Suspends, resumes or deletes a tenant; `changed` is false when it was in that state before. Deleting is final and revokes
 * the tenant's keys in the same transaction. Rejects with StoreError `tenant_not_found` or `tenant_deleted`.
 */
export async function setTenantState(
  sql: Sql,
  slug: string,
  state: TenantState,
): Promise<{ tenant: Tenant; changed: boolean }> {
  return await sql.begin(async (tx) => {
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

function mergeRoutes(
  old: Readonly<Record<string, RateLimit>>,
  changes: Readonly<Record<string, RateLimit | null>> = {},
): Record<string, { perSecond: number; burst: number }> {
  const merged = new Map<string, RateLimit | null>([...Object.entries(old), ...Object.entries(changes)])
  const limits: Record<string, { perSecond: number; burst: number }> = {}
  for (const [route, limit] of merged) {
    if (limit !== null) limits[route] = { perSecond: limit.perSecond, burst: limit.burst }
  }
  return limits
}

function toTenant(row: TenantRow): Tenant {
  return {
    slug: row.slug,
    state: row.state,
    rateLimit: toRateLimit(row),
    routeRateLimits: row.route_rate_limits,
    maxConcurrency: row.max_concurrency,
    logPolicy: row.log_policy,
    version: row.version,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  }
}

/** A row's rate; the table holds both numbers or none. */
export function toRateLimit(row: {
  rate_per_second: number | null
  rate_burst: number | null
}): RateLimit | null {
  if (row.rate_per_second === null || row.rate_burst === null) return null
  return { perSecond: row.rate_per_second, burst: row.rate_burst }
}

function only(rows: readonly TenantRow[]): TenantRow {
  const [row] = rows
  if (row === undefined) throw new Error('the locked tenant has vanished')
  return row
}
