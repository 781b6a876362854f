import { authenticatesConnection } from '../http/response-head.ts'
import { maskKeys } from '../model/api-key.ts'
import { sourceOf } from '../model/source-network.ts'
import type { UpstreamRequest } from '../upstream/request.ts'
import type { Exchange } from './exchange/exchange.ts'
import { upstreamHeaders } from './headers/headers.ts'
import { upstreamOrigin, upstreamPath } from './routing/route-table.ts'

/**
 * The request of an exchange that has been decided on as its upstream will see it. `via` is this gateway's pseudonym, `tick` now in
 * monotonic milliseconds. Notes in the exchange where it goes.
 */
export function upstreamRequest(
  exchange: Exchange,
  via: string,
  body: UpstreamRequest['body'],
  tick: number,
): UpstreamRequest {
  const { route, target, tenant, head, credential } = exchange
  if (route === null || target === null) throw new Error('an upstream request needs a route and a target')
  const slug = tenant?.slug ?? ''
  const origin = upstreamOrigin(route, slug)
  exchange.upstream = origin.slice(origin.indexOf('//') + 2)
  const headers = upstreamHeaders({
    head,
    rawHeaders: exchange.req.rawHeaders,
    credentialField: route.auth === 'key' ? (credential?.field ?? null) : null,
    authorization: route.upstream.authorization,
    client: exchange.client,
    requestId: exchange.requestId,
    traceparent: exchange.traceparent,
    via,
    destination: exchange.destination === null ? null : upstreamPath(route, exchange.destination, '', slug),
    isOptions: exchange.req.method === 'OPTIONS',
    prefix: exchange.client.base + route.path.slice(0, -1),
    changes: route.rules.headers,
  })
  const { authorization } = head
  return {
    route,
    origin,
    holder: slug === '' ? `ip ${sourceOf(exchange.client.ip)}` : slug,
    tick,
    method: exchange.req.method ?? 'GET',
    path: maskKeys(upstreamPath(route, exchange.path, target.query, slug)),
    headers,
    contentLength: head.contentLength,
    host: route.upstream.upstreamHost === 'pass' && exchange.client.host !== '' ? exchange.client.host : null,
    isBoundToConnection: authorization !== null && authenticatesConnection(authorization),
    notes: exchange,
    asked: exchange,
    body,
  }
}
