import type { KeyGrant } from '../../model/grant.ts'
import { OUTCOMES, statusOf, type Outcome, type Reason } from '../../model/outcome.ts'
import type { RuleRecord } from '../../model/rules/rule.ts'
import type { LimitRefusal } from '../../limits/limiter.ts'

/** What a sentence is made of, beside the reason. */
export interface SentenceParts {
  readonly outcome: Outcome
  readonly reason: Reason | null
  readonly limit: LimitRefusal | null
  /** Of whose whole secret was presented; null for all else. */
  readonly key: Pick<KeyGrant, 'id' | 'expiresAtMs'> | null
  /** The scope that the key would need, `npm:write`; null when it has it. */
  readonly scope: string | null
  /** Name of the route; '' before one was found. */
  readonly route: string
  /** What the route asks for and the request lacks: `$.repository.id`; '' for nothing. */
  readonly place: string
  /** What a rule denies; null for all else. */
  readonly denied: {
    readonly purl: string
    readonly rule: Pick<RuleRecord, 'id' | 'reason' | 'reference'>
  } | null
  /** The client's address; '' for one that nobody knows. */
  readonly clientIp: string
  /** What the client is asked to wait, where that is known; 0 elsewhere. */
  readonly retryAfterSeconds: number
}

/** What 503 asks clients to wait; what they wait for comes back by itself, and nobody knows when. */
export const RETRY_AFTER_SECONDS = 1

/**
 * A sentence is all that most clients show of a refusal, so it says what is wrong and what would help. Whether a key exists is said
 * to nobody but who presents the whole of it: reasons that only a secret whose digest was found can have are told, those of a guess are
 * not. That no key came, or two did, its client knows already.
 */
const SENTENCES: Partial<Record<Reason, string | ((parts: SentenceParts) => string)>> = {
  missing_key: 'This needs a key, and none was sent.',
  several_credentials: 'Two different keys were sent, so neither counts.',
  expired_key: (parts) => `${keyName(parts)} expired${expiryOf(parts)}.`,
  revoked_key: (parts) => `${keyName(parts)} has been revoked.`,
  suspended: (parts) => `${tenantOf(parts)} is suspended.`,
  deleted: (parts) => `${tenantOf(parts)} no longer exists.`,
  network: (parts) => `${keyName(parts)} may not be used from ${parts.clientIp || 'an unknown address'}.`,
  rule: deniedWords,
  unidentified: 'The path is too long to tell its package by, and there are rules for packages of this kind.',
  no_rules: 'The rules for packages have not been loaded yet.',
  scope: (parts) =>
    parts.scope === null
      ? 'The Destination leads out of the route.'
      : `This needs the scope ${parts.scope}, which ${keyName(parts)} does not have.`,
  token_scope: 'The token that was sent is not for this.',
  missing_signature: 'This needs a signature, and none was sent.',
  malformed_signature: 'The signature cannot be read, or stands twice.',
  wrong_signature: 'The signature is not of this body, or not made with a secret that is known here.',
  stale_signature: 'The signed time is too far from now.',
  no_signing_key: 'There is nothing to sign tokens with yet.',
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
    'The gateway is cut off from where keys are kept, and does not know this one: it may be valid.',
  no_snapshot: 'Tenants and keys have not been loaded yet.',
  log_blocked:
    'Every request of this tenant must be recorded, and its record can be neither stored nor put on disk now.',
  log_full: 'Every request of this tenant must be recorded, and too many records are waiting to be stored.',
  redirects: "The upstream's redirects lead round in a circle, too far, or to a host that is not listed.",
  upstream_auth: "The upstream refused the gateway's own credentials. The key is not the reason.",
  bodies_full: 'Too many bytes of bodies are waiting to be verified.',
  deliveries_full: 'As many deliveries of the tenant as may are waiting for their receivers.',
  not_kept: 'The delivery can be neither stored nor put on disk now.',
  content_type: (parts) => `The route ${parts.route} takes no body of this Content-Type.`,
  content_encoding: (parts) =>
    `The route ${parts.route} reads bodies, and takes none with a Content-Encoding.`,
  malformed_body: 'The body is not JSON.',
  missing_field: (parts) =>
    `The route ${parts.route} needs ${parts.place}, which has no value, or stands twice.`,
  idempotency_missing: (parts) => `The route ${parts.route} needs an Idempotency-Key, and none was sent.`,
  idempotency_malformed:
    'The Idempotency-Key must stand once: 1 to 255 characters of printable ASCII, with or without quotes.',
  idempotency_body: (parts) =>
    `The body is larger than the route ${parts.route} takes with an Idempotency-Key.`,
  idempotency_reused: 'The Idempotency-Key was used for another request: another method, path or body.',
  idempotency_in_use: 'The first request with this Idempotency-Key is still under way.',
  idempotency_unkept:
    'This was answered before, and the answer was too large to be kept. It is not done again.',
  idempotency_full: 'As many Idempotency-Keys of the tenant as may are kept.',
  idempotency_unknown: 'Whether the Idempotency-Key was used before cannot be told now.',
  queue_full: 'Too many requests wait for this upstream.',
  gave_way: 'Others waited for the connection to the upstream, and this request moved too few bytes.',
  document_too_large: "The upstream's document is larger than the gateway rewrites.",
  document_malformed: "The upstream's document is not what it says to be.",
  document_foreign: "The upstream's document leads past the gateway.",
  queue_timeout: 'No connection to the upstream became free in time.',
  tenant_rate: 'The rate limit of the tenant is used up.',
  key_rate: (parts) => `The rate limit of ${keyName(parts)} is used up.`,
  route_rate: (parts) => `The tenant's rate limit for the route ${parts.route} is used up.`,
  tenant_concurrency: ({ limit }) => `At most ${limit?.quota ?? 0} requests of the tenant at once.`,
  breaker_open: (parts) => `${upstreamOf(parts)} has failed too often, and is left alone for a while.`,
  connection_refused: (parts) => `${upstreamOf(parts)} cannot be reached.`,
  dns: (parts) => `The name of ${upstreamOf(parts)} cannot be resolved.`,
  tls: (parts) => `The TLS handshake with ${upstreamOf(parts)} failed.`,
  tls_unknown_ca: (parts) => `The certificate of ${upstreamOf(parts)} is of an unknown authority.`,
  tls_expired: (parts) => `The certificate of ${upstreamOf(parts)} is not valid now.`,
  tls_name: (parts) => `The certificate of ${upstreamOf(parts)} bears another name.`,
  connection_reset: (parts) => `${upstreamOf(parts)} broke off the connection.`,
  protocol: (parts) => `${upstreamOf(parts)} sent no valid answer.`,
  connect_timeout: (parts) => `${upstreamOf(parts)} could not be connected to in time.`,
  response_timeout: (parts) => `${upstreamOf(parts)} did not answer in time.`,
}

/** Of outcomes that have no reason, and of reasons that are not told. */
const GENERAL: Partial<Record<Outcome, string | ((parts: SentenceParts) => string)>> = {
  unauthenticated: 'The key that was sent is not valid: it is mistyped, or there is none such.',
  no_route: 'Nothing is served at this address: no route has this path and host.',
  method_not_allowed: 'This method is not served.',
  body_too_large: (parts) => `The body is larger than the route ${parts.route} takes.`,
  loop_detected: 'The request came back to the gateway that sent it.',
  internal: 'The gateway made an error.',
}

/**
 * What the client is told, in one sentence or two of printable ASCII. `auth_throttled` says as little of a key as an unknown one does.
 */
export function sentenceOf(parts: SentenceParts): string {
  const { outcome, reason, limit } = parts
  if (reason === 'auth_throttled' && outcome === 'rate_limited')
    return `Too many wrong keys came from this address; valid ones are served. ${retryIn(limit)}`
  const known = (reason === null ? undefined : SENTENCES[reason]) ?? GENERAL[outcome]
  const words = typeof known === 'function' ? known(parts) : (known ?? `${OUTCOMES[outcome].title}.`)
  const sentence = `${words.slice(0, 1).toUpperCase()}${words.slice(1)}`
  const isTemporary = limit !== null || reason === 'idempotency_in_use' || statusOf(outcome, reason) === 503
  return isTemporary ? `${sentence} ${retryIn(limit, parts.retryAfterSeconds)}` : sentence
}

/** First what a client that shows little may not cut off: the package, then why. */
function deniedWords({ denied }: SentenceParts): string {
  if (denied === null) return 'A rule blocks this package.'
  const { purl, rule } = denied
  const reference = rule.reference === '' ? '' : ` (${rule.reference})`
  return `Blocked: ${purl.slice('pkg:'.length)}: ${rule.reason}${reference}. Rule ${rule.id}.`
}

function retryIn(limit: LimitRefusal | null, seconds = 0): string {
  return `Retry in ${limit?.retryAfterSeconds ?? (seconds || RETRY_AFTER_SECONDS)} s.`
}

/** The public id tells a person with many keys which one; whoever gets here has sent it. */
function keyName({ key }: SentenceParts): string {
  return key === null ? 'the key' : `the key ${key.id}`
}

/** Who signs has no key. */
function tenantOf(parts: SentenceParts): string {
  return parts.key === null ? 'The tenant' : `The tenant of ${keyName(parts)}`
}

function upstreamOf({ route }: SentenceParts): string {
  return `the upstream of the route ${route}`
}

/** A day in UTC; nothing for a moment that no date has. */
function expiryOf({ key }: SentenceParts): string {
  const date = new Date(key?.expiresAtMs ?? NaN)
  return Number.isNaN(date.getTime()) ? '' : ` on ${date.toISOString().slice(0, 10)}`
}
