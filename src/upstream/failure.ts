import type { Outcome, Reason } from '../model/outcome.ts'
import type { FailureKind } from '../model/upstream/health-rules.ts'

/** Ends a request whose client has gone, or that the gateway gave up. */
export class RequestGoneError extends Error {
  readonly code = 'WAYBILL_REQUEST_GONE'

  constructor() {
    super('the exchange has ended')
    this.name = 'RequestGoneError'
  }
}

/** What an upstream sent is no response, or not a single one. */
export class UpstreamProtocolError extends Error {
  readonly code = 'WAYBILL_UPSTREAM_PROTOCOL'

  constructor() {
    super('the upstream broke the protocol')
    this.name = 'UpstreamProtocolError'
  }
}

/** An upstream ended its connection before the response was complete. */
export class UpstreamClosedError extends Error {
  readonly code = 'WAYBILL_UPSTREAM_CLOSED'

  constructor() {
    super('the upstream ended the connection')
    this.name = 'UpstreamClosedError'
  }
}

/** No connection to an upstream, TLS included, within `connectTimeoutMs` of its route. */
export class UpstreamConnectTimeoutError extends Error {
  readonly code = 'WAYBILL_CONNECT_TIMEOUT'

  constructor() {
    super('the upstream took too long to connect to')
    this.name = 'UpstreamConnectTimeoutError'
  }
}

/** A request was given up because the upstream did not answer in time. */
export class UpstreamSilentError extends Error {
  readonly code = 'WAYBILL_UPSTREAM_SILENT'

  constructor() {
    super('the upstream did not answer in time')
    this.name = 'UpstreamSilentError'
  }
}

/** No request goes to the upstream for now: too many have failed. */
export class UpstreamOpenError extends Error {
  readonly code = 'WAYBILL_UPSTREAM_OPEN'
  /** Whole seconds, at least 1. */
  readonly retryAfterSeconds: number

  constructor(waitMs: number) {
    super('the breaker of the upstream is open')
    this.name = 'UpstreamOpenError'
    this.retryAfterSeconds = Math.max(1, Math.ceil(waitMs / 1000))
  }
}

/** As many requests wait for an upstream as may. */
export class QueueFullError extends Error {
  readonly code = 'WAYBILL_QUEUE_FULL'

  constructor() {
    super('the queue is full')
    this.name = 'QueueFullError'
  }
}

/** More upstream origins are in use than `proxy.maxUpstreamPools` allows. */
export class TooManyUpstreamsError extends Error {
  readonly code = 'WAYBILL_TOO_MANY_UPSTREAMS'

  constructor() {
    super('every upstream pool is in use')
    this.name = 'TooManyUpstreamsError'
  }
}

/** An upstream's host, with the tenant's name in it, is none that may be reached. */
export class UpstreamAddressError extends Error {
  readonly code = 'WAYBILL_UPSTREAM_ADDRESS'

  /** `problem`: what is wrong with it. */
  constructor(problem: string) {
    super(`the upstream's address ${problem}`)
    this.name = 'UpstreamAddressError'
  }
}

/** A document is larger than it may be, is not what it says, or names addresses past the gateway where it may not. */
export class DocumentError extends Error {
  readonly code: string

  constructor(reason: DocumentReason) {
    super(`the upstream's document is refused: ${reason}`)
    this.name = 'DocumentError'
    this.code = DOCUMENT_CODES[reason]
  }
}

type DocumentReason = 'document_too_large' | 'document_malformed' | 'document_foreign'

const DOCUMENT_CODES: Readonly<Record<DocumentReason, string>> = {
  document_too_large: 'WAYBILL_DOCUMENT_TOO_LARGE',
  document_malformed: 'WAYBILL_DOCUMENT_MALFORMED',
  document_foreign: 'WAYBILL_DOCUMENT_FOREIGN',
}

/** An upstream, or a host that it redirects to, refuses what the gateway presents there. */
export class UpstreamAuthError extends Error {
  readonly code = 'WAYBILL_UPSTREAM_AUTH'

  constructor() {
    super("the upstream refused the gateway's own credentials")
    this.name = 'UpstreamAuthError'
  }
}

/** Redirects that the gateway does not follow to an end. */
export class RedirectError extends Error {
  readonly code = 'WAYBILL_REDIRECT'

  /** `problem`: what is wrong with them. */
  constructor(problem: string) {
    super(`the upstream's redirects ${problem}`)
    this.name = 'RedirectError'
  }
}

/** A request that waited gave its place in the queue to a holder who has less. */
export class QueueDisplacedError extends Error {
  readonly code = 'WAYBILL_QUEUE_DISPLACED'

  constructor() {
    super('the queue is full, and others have less')
    this.name = 'QueueDisplacedError'
  }
}

/** How a request ends. */
export interface Failure {
  readonly outcome: Outcome
  readonly reason: Reason | null
}

const REFUSED: Failure = { outcome: 'upstream_refused', reason: 'connection_refused' }
const DNS: Failure = { outcome: 'upstream_refused', reason: 'dns' }
const TLS: Failure = { outcome: 'upstream_refused', reason: 'tls' }
const TLS_UNKNOWN_CA: Failure = { outcome: 'upstream_refused', reason: 'tls_unknown_ca' }
const TLS_EXPIRED: Failure = { outcome: 'upstream_refused', reason: 'tls_expired' }
const TLS_NAME: Failure = { outcome: 'upstream_refused', reason: 'tls_name' }
const CONNECT_TIMEOUT: Failure = { outcome: 'upstream_timeout', reason: 'connect_timeout' }
const RESET: Failure = { outcome: 'upstream_reset', reason: 'connection_reset' }
const PROTOCOL: Failure = { outcome: 'upstream_reset', reason: 'protocol' }
const QUEUE_FULL: Failure = { outcome: 'overloaded', reason: 'queue_full' }

/** Error code of the operating system, TLS or our own → how the request ends. Matched by code, never by message. */
const FAILURES: Readonly<Record<string, Failure>> = {
  ECONNREFUSED: REFUSED,
  EHOSTUNREACH: REFUSED,
  ENETUNREACH: REFUSED,
  EHOSTDOWN: REFUSED,
  EADDRNOTAVAIL: REFUSED,
  EACCES: REFUSED,
  EMFILE: REFUSED,
  ENFILE: REFUSED,
  ENOTFOUND: DNS,
  EAI_AGAIN: DNS,
  EAI_FAIL: DNS,
  WAYBILL_CONNECT_TIMEOUT: CONNECT_TIMEOUT,
  ETIMEDOUT: CONNECT_TIMEOUT,
  ECONNRESET: RESET,
  EPIPE: RESET,
  WAYBILL_UPSTREAM_CLOSED: RESET,
  WAYBILL_UPSTREAM_PROTOCOL: PROTOCOL,
  WAYBILL_UPSTREAM_SILENT: { outcome: 'upstream_timeout', reason: 'response_timeout' },
  WAYBILL_UPSTREAM_OPEN: { outcome: 'upstream_refused', reason: 'breaker_open' },
  EPROTO: TLS,
  ERR_TLS_CERT_ALTNAME_INVALID: TLS_NAME,
  ERR_TLS_CERT_ALTNAME_FORMAT: TLS_NAME,
  HOSTNAME_MISMATCH: TLS_NAME,
  CERT_HAS_EXPIRED: TLS_EXPIRED,
  CERT_NOT_YET_VALID: TLS_EXPIRED,
  UNABLE_TO_GET_ISSUER_CERT: TLS_UNKNOWN_CA,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: TLS_UNKNOWN_CA,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: TLS_UNKNOWN_CA,
  DEPTH_ZERO_SELF_SIGNED_CERT: TLS_UNKNOWN_CA,
  SELF_SIGNED_CERT_IN_CHAIN: TLS_UNKNOWN_CA,
  CERT_UNTRUSTED: TLS_UNKNOWN_CA,
  INVALID_CA: TLS_UNKNOWN_CA,
  WAYBILL_QUEUE_DISPLACED: QUEUE_FULL,
  WAYBILL_QUEUE_FULL: QUEUE_FULL,
  WAYBILL_TOO_MANY_UPSTREAMS: QUEUE_FULL,
  WAYBILL_DOCUMENT_TOO_LARGE: { outcome: 'upstream_reset', reason: 'document_too_large' },
  WAYBILL_DOCUMENT_MALFORMED: { outcome: 'upstream_reset', reason: 'document_malformed' },
  WAYBILL_DOCUMENT_FOREIGN: { outcome: 'upstream_reset', reason: 'document_foreign' },
  WAYBILL_UPSTREAM_AUTH: { outcome: 'upstream_refused', reason: 'upstream_auth' },
  WAYBILL_REDIRECT: { outcome: 'upstream_reset', reason: 'redirects' },
  WAYBILL_UPSTREAM_ADDRESS: { outcome: 'upstream_invalid', reason: null },
}

/** What went wrong is the gateway's own: it has no more descriptors or ports. */
const OWN_TROUBLES = new Set(['EMFILE', 'ENFILE', 'EADDRNOTAVAIL', 'ENOBUFS', 'ENOMEM', 'EACCES', 'EPERM'])

/** It was not tried. */
const NOT_SENT = new Set([
  'WAYBILL_UPSTREAM_OPEN',
  'WAYBILL_UPSTREAM_ADDRESS',
  'WAYBILL_QUEUE_FULL',
  'WAYBILL_QUEUE_DISPLACED',
  'WAYBILL_TOO_MANY_UPSTREAMS',
])

/**
 * What an attempt that ended without an answer tells of its upstream; null for nothing. `isConnected`: the connection stood when it
 * failed.
 */
export function faultOf(error: NodeJS.ErrnoException, isConnected: boolean): FailureKind | null {
  if (error instanceof RequestGoneError || NOT_SENT.has(error.code ?? '')) return null
  if (error instanceof UpstreamSilentError) return 'timeout'
  if (isConnected) return 'reset'
  return OWN_TROUBLES.has(error.code ?? '') ? null : 'connect'
}

/** Certificate verdicts of OpenSSL as Node names them. */
const TLS_CODE =
  /^(?:ERR_TLS_|ERR_SSL_|CERT_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_|HOSTNAME_MISMATCH|INVALID_CA|CRL_)/

/** Maps an error on the way to or from an upstream to the outcome that the client and the entry get. */
export function upstreamFailure(error: NodeJS.ErrnoException): Failure {
  const code = error.code ?? ''
  const known = FAILURES[code]
  if (known !== undefined) return known
  if (code.startsWith('HPE_')) return PROTOCOL // of Node's parser, for upgrades
  if (TLS_CODE.test(code)) return TLS
  // An aggregate of attempts on several addresses bears the code of the first.
  const first: unknown = error instanceof AggregateError ? error.errors[0] : undefined
  return first instanceof Error && first !== error ? upstreamFailure(first) : RESET
}
