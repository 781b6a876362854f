import type { DeliveryAccount } from '../../../store/deliveries/delivery-accounts.ts'
import type { DeliveryRow } from '../../../store/deliveries/deliveries.ts'
import type { RowShape } from '../../output/listing.ts'
import { escapeUnsafe } from '../../output/text.ts'

/** A delivery in a listing. */
export const DELIVERY_SHAPE: RowShape<DeliveryRow> = {
  toOutput: (row) => ({ ...row }),
  csvColumns: [
    'id',
    'receivedAt',
    'tenant',
    'route',
    'state',
    'attempts',
    'nextAt',
    'endedAt',
    'lastStatus',
    'lastReason',
    'senderKey',
    'intoId',
    'redeliveryOf',
    'redeliveredAs',
    'requestId',
    'traceId',
    'bodyBytes',
  ],
  columns: [
    { title: 'ID', cell: (row) => row.id },
    { title: 'RECEIVED', cell: (row) => row.receivedAt.toISOString() },
    { title: 'TENANT', minWidth: 8, dropOrder: 3, cell: (row) => row.tenant },
    { title: 'ROUTE', minWidth: 8, cell: (row) => row.route },
    { title: 'STATE', cell: (row) => row.state },
    { title: 'ATTEMPTS', isRight: true, cell: (row) => String(row.attempts) },
    { title: 'LAST', dropOrder: 2, cell: (row) => lastOf(row) },
    { title: 'NEXT', dropOrder: 1, cell: (row) => row.nextAt?.toISOString() ?? '-' },
  ],
}

function lastOf({ lastStatus, lastReason }: DeliveryRow): string {
  return lastStatus === null ? escapeUnsafe(lastReason ?? '-') : String(lastStatus)
}

const COUNTS = [
  'accepted',
  'repeated',
  'delivered',
  'waiting',
  'dead',
  'dropped',
  'coalesced',
  'duplicate',
  'missing',
] as const

/** The books of a tenant in a listing. */
export const ACCOUNT_SHAPE: RowShape<DeliveryAccount> = {
  toOutput: (row) => ({ ...row }),
  csvColumns: ['tenant', ...COUNTS],
  columns: [
    { title: 'TENANT', minWidth: 8, cell: (row) => row.tenant },
    ...COUNTS.map((name) => ({
      title: name.toUpperCase(),
      isRight: true,
      cell: (row: DeliveryAccount) => String(row[name]),
    })),
  ],
}
