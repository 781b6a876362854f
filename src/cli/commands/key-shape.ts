import { rateText } from '../../model/rate-limit.ts'
import type { ApiKey } from '../../store/directory/keys.ts'
import type { RowShape } from '../output/listing.ts'

/** How keys are printed. There is nothing secret in it: the key itself is stored nowhere. */
export const KEY_SHAPE: RowShape<ApiKey> = {
  toOutput: (key) => ({ ...key }),
  csvColumns: [
    'id',
    'tenant',
    'name',
    'state',
    'scopes',
    'allowNetworks',
    'rateLimit',
    'expiresAt',
    'revokedAt',
    'rotatedTo',
    'createdAt',
    'lastUsedAt',
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
