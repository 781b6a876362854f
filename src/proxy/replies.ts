import { ECOSYSTEMS } from '../artifacts/kinds.ts'
import { OUTCOMES, statusOf, type Reason } from '../model/outcome.ts'
import type { Route } from '../model/route.ts'
import type { Refusal } from './decide/context.ts'
import type { LimitRefusal } from '../limits/limiter.ts'

/** One of the gateway's own answers, ready to be written. */
export interface Reply {
  readonly status: number
  /** Flat list: name, value, …. */
  readonly fields: readonly string[]
  readonly body: Buffer
}

/**
 * What the client may know beyond the title. Whether a key exists is said to nobody but who presents the whole of it: reasons that
 * only a secret whose digest was found can have are told, those of a guess are not.
 */
const DETAILS: Partial<Record<Reason, string>> = {
  expired_key: 'The key has expired.',
  revoked_key: 'The key has been revoked.',
  suspended: 'The tenant of this key is suspended.',
  network: 'The key may not be used from this address.',
  scope: 'The key is valid, but none of its scopes permits this method on this route.',
  path: 'The path is ambiguous: it holds an encoded or empty segment that two readers could take differently.',
  files_host: 'The route fetches no files from this host, or not from this part of it.',
  host: 'The Host field is missing, repeated or invalid.',
  target: 'The request target must be a path or an absolute http URL of printable ASCII.',
  framing: 'The message framing or a header field is malformed.',
  headers_too_large: 'The request head is too large.',
  tls_expected: 'This port speaks TLS: use https://.',
  header_timeout: 'The request head did not arrive in time.',
  body_timeout: 'The request body did not arrive in time.',
  expectation: 'The only expectation supported is 100-continue.',
  stale_snapshot:
    'The gateway is cut off from where keys are kept, and does not know this one: it may be valid. Try again.',
  no_snapshot: 'Tenants and keys have not been loaded yet.',
  log_blocked:
    'Every request of this tenant must be recorded, and its record can be neither stored nor put on disk now.',
  log_full: 'Every request of this tenant must be recorded, and too many records are waiting to be stored.',
  queue_full: 'Too many requests wait for this upstream.',
  gave_way: 'Others waited for the connection to the upstream, and this request moved too few bytes.',
  queue_timeout: 'No connection to the upstream became free in time.',
}

/** RFC 9209 §2.3 error types, for what went wrong with the upstream. */
const PROXY_STATUS: Partial<Record<Reason, string>> = {
  connection_refused: 'connection_refused',
  dns: 'dns_error',
  tls: 'tls_protocol_error',
  tls_unknown_ca: 'tls_certificate_error',
  tls_expired: 'tls_certificate_error',
  tls_name: 'tls_certificate_error',
  connect_timeout: 'connection_timeout',
  response_timeout: 'http_response_timeout',
  connection_reset: 'connection_terminated',
  protocol: 'http_protocol_error',
  queue_full: 'connection_limit_reached',
  queue_timeout: 'connection_limit_reached',
  gave_way: 'connection_limit_reached',
}

/** The request that a reply answers. */
export interface AnsweredRequest {
  readonly requestId: string
  /** Null before a route was found. */
  readonly route: Route | null
}

/** Builds a problem document (RFC 9457) with the request's id and nothing of the inside. */
export function problemReply(
  { outcome, reason, limit }: Refusal,
  { requestId, route }: AnsweredRequest,
): Reply {
  const status = statusOf(outcome, reason)
  const detail = reason === null ? undefined : (limitDetail(limit) ?? DETAILS[reason])
  const body = Buffer.from(
    `${JSON.stringify({ type: 'about:blank', title: OUTCOMES[outcome].title, status, detail, requestId })}\n`,
  )
  const fields = [
    'Content-Type',
    'application/problem+json',
    'Content-Length',
    String(body.length),
    'Cache-Control',
    'no-store',
    'X-Request-Id',
    requestId,
  ]
  if (status === 401) fields.push('WWW-Authenticate', ECOSYSTEMS[route?.kind ?? 'generic'].challenge)
  if (status === 405) fields.push('Allow', 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS')
  if (status === 503) fields.push('Retry-After', '1')
  if (limit !== null) fields.push(...limitFields(limit))
  const error = reason === null ? undefined : PROXY_STATUS[reason]
  fields.push('Proxy-Status', error === undefined ? 'waybill' : `waybill; error=${error}`)
  return { status, fields, body }
}

function limitDetail(limit: LimitRefusal | null): string | undefined {
  if (limit === null) return undefined
  const after = `Retry in ${limit.retryAfterSeconds} s.`
  if (limit.policy === 'tenant_concurrency')
    return `At most ${limit.quota} requests of the tenant at once. ${after}`
  if (limit.policy === 'auth_throttled')
    return `Too many wrong credentials came from this address; valid ones are served. ${after}`
  return `The rate limit of the ${limit.policy.slice(0, -'_rate'.length)} is used up. ${after}`
}

/** Retry-After (RFC 9110 §10.2.3) and RateLimit fields (draft-ietf-httpapi-ratelimit-headers-10 §3, §4). */
function limitFields(limit: LimitRefusal): string[] {
  const name = limit.policy.replace('_', '-')
  const window = limit.windowSeconds === 0 ? '' : `;w=${limit.windowSeconds}`
  return [
    'Retry-After',
    String(limit.retryAfterSeconds),
    'RateLimit-Policy',
    `"${name}";q=${limit.quota}${window}`,
    'RateLimit',
    `"${name}";r=${limit.remaining};t=${limit.retryAfterSeconds}`,
  ]
}
