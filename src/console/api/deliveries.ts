import type { Range } from '../words/filter.ts'
import type { DeliveryState } from '../words/delivery.ts'
import { get } from './client.ts'
import type { Entry, Page } from './entries.ts'

/** A delivery, without what was sent. */
export interface Delivery {
  readonly id: string
  readonly receivedAt: string
  readonly tenant: string
  readonly route: string
  readonly state: DeliveryState
  readonly attempts: number
  /** When it is tried again; null for one that does not wait for that. */
  readonly nextAt: string | null
  readonly endedAt: string | null
  readonly lastStatus: number | null
  readonly lastReason: string | null
  readonly senderKey: string | null
  readonly intoId: string | null
  readonly redeliveryOf: string | null
  readonly redeliveredAs: string | null
  readonly requestId: string | null
  readonly traceId: string | null
  readonly bodyBytes: number
}

/** A delivery and the entries of its attempts, newest first. */
export interface FoundDelivery extends Delivery {
  readonly entries: readonly Entry[]
}

/** Which deliveries are looked at; '' for any. */
export interface DeliverySearch {
  readonly tenant: string
  readonly route: string
  readonly state: DeliveryState | ''
  readonly range: Range
}

/** How many were decided on at once; whether there may be others. */
export interface Decided {
  readonly n: number
  readonly isMore: boolean
}

const PAGE_SIZE = 200

/** What the API is asked for, without what means any. */
function conditionsOf({ range, ...search }: DeliverySearch): Record<string, string> {
  return Object.fromEntries(Object.entries({ ...search, ...range }).filter(([, value]) => value !== ''))
}

/** The parameters of a search, in one order for the same. */
export function deliveryQuery(search: DeliverySearch): URLSearchParams {
  return new URLSearchParams(conditionsOf(search))
}

/** A page of deliveries, newest first. */
export function listDeliveries(
  search: DeliverySearch,
  cursor: string | null,
  signal: AbortSignal,
): Promise<Page<Delivery>> {
  const query = deliveryQuery(search)
  query.set('limit', String(PAGE_SIZE))
  if (cursor !== null) query.set('cursor', cursor)
  return get(`/api/v1/deliveries?${query}`, { signal })
}

export function findDelivery(id: string, signal: AbortSignal): Promise<FoundDelivery> {
  return get(`/api/v1/deliveries/${encodeURIComponent(id)}`, { signal })
}

/** Has one delivered once more; resolves with the id of the new one. */
export async function redeliverOne(id: string): Promise<string> {
  const made = await get<{ id: string }>(`/api/v1/deliveries/${encodeURIComponent(id)}/redeliver`, {
    method: 'POST',
  })
  return made.id
}

export async function dropOne(id: string): Promise<void> {
  await get(`/api/v1/deliveries/${encodeURIComponent(id)}`, { method: 'DELETE' })
}

/** Has a search delivered once more, or gives it up: so many at once. */
export function decideSearch(what: 'redeliver' | 'drop', search: DeliverySearch): Promise<Decided> {
  return get(`/api/v1/deliveries/${what}`, { method: 'POST', body: conditionsOf(search) })
}
