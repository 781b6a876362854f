import type { Route } from '../model/route.ts'
import type { UpstreamRequest } from '../upstream/request.ts'
import type { Letter, WorkItem } from './delivery-store.ts'

/** Fields that each attempt has anew. */
const DELIVERY_ID = 'waybill-delivery-id'

/** What the gateway tells the receiver, and what it must not keep: made from the route as it is now. */
export interface LetterRequestParts {
  readonly route: Route
  readonly item: WorkItem
  readonly letter: Letter
  readonly body: Buffer
  /** From 1. */
  readonly attempt: number
  /** Origin and path of the route's upstream for the tenant. */
  readonly origin: string
  readonly path: string
  /** The field that schemes with a secret in it expect, with its value; null for none. */
  readonly secret: readonly [string, string] | null
  readonly tick: number
}

/** A letter as an upstream request. */
export function letterRequest(parts: LetterRequestParts): Omit<UpstreamRequest, 'notes'> {
  const { route, item, letter, body, attempt, origin, path, secret, tick } = parts
  const { head } = letter
  const headers = [...head.fields, ...route.rules.headers.set]
  if (route.upstream.authorization !== null) headers.push('authorization', route.upstream.authorization)
  else if (secret !== null) headers.push(...secret)
  headers.push(
    DELIVERY_ID,
    item.id,
    'waybill-delivery-attempt',
    String(attempt),
    'waybill-received-at',
    new Date(item.receivedAtMs).toISOString(),
    'content-length',
    String(body.length),
  )
  return {
    route,
    origin,
    standing: 'upstream',
    holder: item.tenant,
    tick,
    asked: null,
    method: head.method,
    path,
    headers,
    contentLength: body.length,
    host: head.host,
    isBoundToConnection: false,
    body,
  }
}
