import type { RefusalForm } from '../../artifacts/kind.ts'
import { OUTCOMES, statusOf, type Reason } from '../../model/outcome.ts'
import type { LimitRefusal } from '../../limits/limiter.ts'
import type { Refusal } from '../decide/context.ts'
import { phraseOf } from './phrase.ts'
import { RETRY_AFTER_SECONDS } from './sentence.ts'

/** One of the gateway's own answers, ready to be written. */
export interface Reply {
  readonly status: number
  /** Reason phrase of the status line. */
  readonly phrase: string
  /** Flat list: name, value, …. */
  readonly fields: readonly string[]
  readonly body: Buffer
}

/** What a refusal says, and to whom. */
export interface RefusalText {
  /** The reason in words, with what the operator adds. */
  readonly sentence: string
  readonly form: RefusalForm
  /** Fields that ask for credentials, should this be a 401: name, value, …. */
  readonly challenge: readonly string[]
  readonly requestId: string
  /** Methods that are served, for a 405. */
  readonly allow: string
  /** What the client is asked to wait, where that is known; 0 elsewhere. */
  readonly retryAfterSeconds: number
}

const MEDIA_TYPES: Readonly<Record<RefusalForm, string>> = {
  problem: 'application/problem+json',
  json: 'application/json',
  text: 'text/plain; charset=utf-8',
}

/** Status → code of an OCI error (distribution specification, "Error Codes"; `UNAVAILABLE` and `UNKNOWN` are the reference server's). */
const CODES: Readonly<Record<number, string>> = {
  401: 'UNAUTHORIZED',
  403: 'DENIED',
  404: 'NAME_UNKNOWN',
  405: 'UNSUPPORTED',
  413: 'SIZE_INVALID',
  429: 'TOOMANYREQUESTS',
  502: 'UNAVAILABLE',
  503: 'UNAVAILABLE',
  504: 'UNAVAILABLE',
}

/** RFC 9209 §2.3 error types, for what went wrong with the upstream. */
const PROXY_STATUS: Partial<Record<Reason, string>> = {
  connection_refused: 'connection_refused',
  breaker_open: 'destination_unavailable',
  dns: 'dns_error',
  tls: 'tls_protocol_error',
  tls_unknown_ca: 'tls_certificate_error',
  tls_expired: 'tls_certificate_error',
  tls_name: 'tls_certificate_error',
  connect_timeout: 'connection_timeout',
  response_timeout: 'http_response_timeout',
  connection_reset: 'connection_terminated',
  protocol: 'http_protocol_error',
  document_too_large: 'http_response_body_size',
  document_malformed: 'http_protocol_error',
  queue_full: 'connection_limit_reached',
  queue_timeout: 'connection_limit_reached',
  gave_way: 'connection_limit_reached',
}

/** Builds the answer to a request that goes no further: the reason wherever a client looks for it, and nothing of the inside. */
export function replyOf({ outcome, reason, limit }: Refusal, text: RefusalText): Reply {
  const status = statusOf(outcome, reason)
  const body = Buffer.from(`${bodyOf(OUTCOMES[outcome].title, status, text)}\n`)
  const fields = [
    'Content-Type',
    MEDIA_TYPES[text.form],
    'Content-Length',
    String(body.length),
    'Cache-Control',
    'no-store',
    'X-Content-Type-Options',
    'nosniff',
    'X-Request-Id',
    text.requestId,
  ]
  if (status === 401) fields.push(...text.challenge)
  if (status === 405) fields.push('Allow', text.allow)
  if (limit !== null) fields.push(...limitFields(limit))
  else if (status === 429 || status === 503 || reason === 'idempotency_in_use')
    fields.push('Retry-After', String(text.retryAfterSeconds || RETRY_AFTER_SECONDS))
  const error = reason === null ? undefined : PROXY_STATUS[reason]
  fields.push('Proxy-Status', error === undefined ? 'waybill' : `waybill; error=${error}`)
  return { status, phrase: phraseOf(text.sentence), fields, body }
}

/**
 * A problem document (RFC 9457) with members for clients that know it not: `error` for npm and yarn, `message` for git-lfs, `errors` for
 * OCI clients and cargo. In plain JSON, which OCI clients get, `detail` is left out there: helm prints both. Put together from texts
 * that are JSON each, as a flood of wrong keys is answered by it: measured 2 µs, and 9 with one `JSON.stringify` of an object.
 */
function bodyOf(title: string, status: number, { sentence, form, requestId }: RefusalText): string {
  if (form === 'text') return sentence
  const text = JSON.stringify(sentence)
  const detail = form === 'json' ? '' : `,"detail":${text}`
  const problem = `"type":"about:blank","title":${JSON.stringify(title)},"status":${status},"detail":${text}`
  const errors = `[{"code":"${CODES[status] ?? 'UNKNOWN'}","message":${text}${detail}}]`
  return `{${problem},"requestId":${JSON.stringify(requestId)},"error":${text},"message":${text},"errors":${errors}}`
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
