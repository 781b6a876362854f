import type { Tenant } from '../store/tenants.ts'
import type { RowShape } from './listing.ts'
import { rateText } from './problems.ts'

/** How tenants are printed. */
export const TENANT_SHAPE: RowShape<Tenant> = {
  toOutput: (tenant) => ({
    slug: tenant.slug,
    state: tenant.state,
    rate_limit: tenant.rateLimit,
    route_rate_limits: tenant.routeRateLimits,
    max_concurrency: tenant.maxConcurrency,
    version: tenant.version,
    created_at: tenant.createdAt,
    updated_at: tenant.updatedAt,
  }),
  csvColumns: [
    'slug',
    'state',
    'rate_limit',
    'route_rate_limits',
    'max_concurrency',
    'version',
    'created_at',
    'updated_at',
  ],
  columns: [
    { title: 'TENANT', cell: (t) => t.slug },
    { title: 'STATE', cell: (t) => t.state },
    { title: 'RATE', cell: (t) => rateText(t.rateLimit) },
    { title: 'CONCURRENCY', isRight: true, cell: (t) => t.maxConcurrency?.toString() ?? 'none' },
    { title: 'ROUTE RATES', minWidth: 12, dropOrder: 1, cell: routeRatesText },
    { title: 'VERSION', isRight: true, cell: (t) => t.version.toString() },
    { title: 'CREATED', dropOrder: 2, cell: (t) => t.createdAt.toISOString() },
  ],
}

function routeRatesText(tenant: Tenant): string {
  const rates = Object.entries(tenant.routeRateLimits).map(([route, rate]) => `${route}=${rateText(rate)}`)
  return rates.length === 0 ? 'none' : rates.join(' ')
}
