import type { Outcome, Reason } from '../model/outcome.ts'

/** Ends a request whose client has gone, or that the gateway gave up. */
export class RequestGoneError extends Error {
  readonly code = 'WAYBILL_REQUEST_GONE'

  constructor() {
    super('the exchange has ended')
    this.name = 'RequestGoneError'
  }
}

/** The engine refused what an upstream sent. */
export class UpstreamProtocolError extends Error {
  readonly code = 'WAYBILL_UPSTREAM_PROTOCOL'

  constructor(cause: Error) {
    super('the upstream broke the protocol', { cause })
    this.name = 'UpstreamProtocolError'
  }
}

type Failure = { readonly outcome: Outcome; readonly reason: Reason }

const REFUSED: Failure = { outcome: 'upstream_refused', reason: 'connection_refused' }
const DNS: Failure = { outcome: 'upstream_refused', reason: 'dns' }
const TLS: Failure = { outcome: 'upstream_refused', reason: 'tls' }
const CONNECT_TIMEOUT: Failure = { outcome: 'upstream_timeout', reason: 'connect_timeout' }
const RESET: Failure = { outcome: 'upstream_reset', reason: 'connection_reset' }
const PROTOCOL: Failure = { outcome: 'upstream_reset', reason: 'protocol' }

/** Error code of the operating system, TLS or the engine → how the request ends. Matched by code, never by message. */
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
  UND_ERR_CONNECT_TIMEOUT: CONNECT_TIMEOUT,
  ETIMEDOUT: CONNECT_TIMEOUT,
  ECONNRESET: RESET,
  EPIPE: RESET,
  UND_ERR_SOCKET: RESET,
  UND_ERR_CLOSED: RESET,
  UND_ERR_DESTROYED: RESET,
  WAYBILL_UPSTREAM_PROTOCOL: PROTOCOL,
  UND_ERR_HEADERS_OVERFLOW: PROTOCOL,
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: { outcome: 'upstream_reset', reason: 'truncated' },
  UND_ERR_INVALID_ARG: { outcome: 'bad_request', reason: 'framing' },
  EPROTO: TLS,
}

/** Certificate verdicts of OpenSSL as Node names them. */
const TLS_CODE =
  /^(?:ERR_TLS_|ERR_SSL_|CERT_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_|HOSTNAME_MISMATCH|INVALID_CA|CRL_)/

/** Maps an error on the way to or from an upstream to the outcome that the client and the entry get. */
export function upstreamFailure(error: NodeJS.ErrnoException): Failure {
  const code = error.code ?? ''
  const known = FAILURES[code]
  if (known !== undefined) return known
  // undici 7 leaves the code of a parser's error empty.
  if (code.startsWith('HPE_') || error.name === 'HTTPParserError') return PROTOCOL
  if (TLS_CODE.test(code)) return TLS
  // An aggregate of attempts on several addresses bears the code of the first.
  const first: unknown = error instanceof AggregateError ? error.errors[0] : undefined
  return first instanceof Error && first !== error ? upstreamFailure(first) : RESET
}
