import type { Tenant } from '../../store/directory/tenants.ts'
import type { RowShape } from '../output/listing.ts'
import { rateText } from '../problems.ts'

/** How tenants are printed; in JSON as the admin API gives them. */
export const TENANT_SHAPE: RowShape<Tenant> = {
  toOutput: (tenant) => ({ ...tenant }),
  csvColumns: [
    'slug',
    'state',
    'rateLimit',
    'routeRateLimits',
    'maxConcurrency',
    'logPolicy',
    'version',
    'createdAt',
    'updatedAt',
  ],
  columns: [
    { title: 'TENANT', cell: (t) => t.slug },
    { title: 'STATE', cell: (t) => t.state },
    { title: 'RATE', cell: (t) => rateText(t.rateLimit) },
    { title: 'CONCURRENCY', isRight: true, cell: (t) => t.maxConcurrency?.toString() ?? 'none' },
    { title: 'LOG POLICY', cell: (t) => t.logPolicy },
    { title: 'ROUTE RATES', minWidth: 12, dropOrder: 1, cell: routeRatesText },
    { title: 'VERSION', isRight: true, cell: (t) => t.version.toString() },
    { title: 'CREATED', dropOrder: 2, cell: (t) => t.createdAt.toISOString() },
  ],
}

function routeRatesText(tenant: Tenant): string {
  const rates = Object.entries(tenant.routeRateLimits).map(([route, rate]) => `${route}=${rateText(rate)}`)
  return rates.length === 0 ? 'none' : rates.join(' ')
}
