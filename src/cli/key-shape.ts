import type { ApiKey } from '../store/keys.ts'
import type { RowShape } from './listing.ts'
import { rateText } from './problems.ts'

/** How keys are printed. There is nothing secret in it: the key itself is stored nowhere. */
export const KEY_SHAPE: RowShape<ApiKey> = {
  toOutput: (key) => ({
    id: key.id,
    tenant: key.tenant,
    name: key.name,
    state: key.state,
    scopes: key.scopes,
    allow_networks: key.allowNetworks,
    rate_limit: key.rateLimit,
    expires_at: key.expiresAt,
    revoked_at: key.revokedAt,
    rotated_to: key.rotatedTo,
    created_at: key.createdAt,
    last_used_at: key.lastUsedAt,
    version: key.version,
  }),
  csvColumns: [
    'id',
    'tenant',
    'name',
    'state',
    'scopes',
    'allow_networks',
    'rate_limit',
    'expires_at',
    'revoked_at',
    'rotated_to',
    'created_at',
    'last_used_at',
    'version',
  ],
  columns: [
    { title: 'ID', cell: (k) => k.id },
    { title: 'TENANT', cell: (k) => k.tenant },
    { title: 'NAME', minWidth: 8, dropOrder: 1, cell: (k) => k.name ?? '' },
    { title: 'STATE', cell: (k) => k.state },
    { title: 'SCOPES', minWidth: 8, cell: (k) => k.scopes.join(' ') },
    { title: 'NETWORKS', minWidth: 8, dropOrder: 3, cell: (k) => k.allowNetworks.join(' ') || 'any' },
    { title: 'RATE', dropOrder: 4, cell: (k) => rateText(k.rateLimit) },
    { title: 'EXPIRES', dropOrder: 2, cell: (k) => k.expiresAt?.toISOString() ?? 'never' },
    { title: 'LAST USED', dropOrder: 5, cell: (k) => k.lastUsedAt?.toISOString() ?? 'never' },
    { title: 'VERSION', isRight: true, dropOrder: 6, cell: (k) => k.version.toString() },
  ],
}
