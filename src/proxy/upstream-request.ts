import { authenticatesConnection } from '../http/response-head.ts'
import { maskKeys } from '../model/api-key.ts'
import { sourceOf } from '../model/source-network.ts'
import { FILES_PREFIX, type FilesPlace } from '../model/upstream/files-host.ts'
import type { Route } from '../model/route.ts'
import type { HeaderChanges } from '../model/route-rules.ts'
import type { HostStanding, UpstreamRequest } from '../upstream/request.ts'
import { strangerHeaders } from '../upstream/steps/stranger-headers.ts'
import type { Exchange } from './exchange/exchange.ts'
import { upstreamHeaders } from './headers/headers.ts'
import { hostOf, upstreamOrigin, upstreamPath } from '../model/upstream/upstream-place.ts'

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
  const { files } = exchange
  const origin = files === null ? upstreamOrigin(route, slug) : files.host.origin
  const standing = standingOf(files)
  exchange.upstream = hostOf(origin)
  // What came in chunks and was waited for goes on in one piece.
  const contentLength = Buffer.isBuffer(body) ? body.length : head.contentLength
  const headers = upstreamHeaders({
    head,
    contentLength,
    rawHeaders: exchange.req.rawHeaders,
    credentialField: route.auth === 'key' ? (credential?.field ?? null) : null,
    authorization: standing === 'stranger' ? null : route.upstream.authorization,
    client: exchange.client,
    requestId: exchange.requestId,
    traceparent: exchange.traceparent,
    via,
    destination:
      exchange.destination === null || files !== null
        ? null
        : upstreamPath(route, exchange.destination, '', slug),
    isOptions: exchange.req.method === 'OPTIONS',
    prefix: exchange.client.base + prefixOf(route, files),
    changes: changesOf(exchange, route, standing),
  })
  const { authorization } = head
  return {
    route,
    origin,
    standing,
    holder: slug === '' ? `ip ${sourceOf(exchange.client.ip)}` : slug,
    tick,
    method: exchange.req.method ?? 'GET',
    path: maskKeys(
      files === null
        ? upstreamPath(route, exchange.path, exchange.sentQuery ?? target.query, slug)
        : files.path + target.query,
    ),
    headers: standing === 'stranger' ? strangerHeaders(headers) : headers,
    contentLength,
    host: files === null && passesHost(exchange, route) ? exchange.client.host : null,
    isBoundToConnection: authorization !== null && authenticatesConnection(authorization),
    notes: exchange,
    asked: exchange,
    body,
  }
}

const AS_BYTES = ['content-type', 'application/octet-stream'] as const

function standingOf(files: FilesPlace | null): HostStanding {
  if (files === null) return 'upstream'
  return files.host.auth ? 'sibling' : 'stranger'
}

function changesOf({ isSentAsBytes }: Exchange, { rules }: Route, standing: HostStanding): HeaderChanges {
  const { headers } = rules
  if (standing === 'stranger') return { ...headers, set: [] }
  if (!isSentAsBytes) return headers
  return { removed: [...headers.removed, 'content-type'], set: [...headers.set, ...AS_BYTES] }
}

/** Path at the gateway that stands for the root of what is asked. */
function prefixOf({ path }: Route, files: FilesPlace | null): string {
  return files === null ? path.slice(0, -1) : `${path}${FILES_PREFIX}${files.host.host}`
}

function passesHost({ client }: Exchange, { upstream }: Route): boolean {
  return upstream.upstreamHost === 'pass' && client.host !== ''
}
