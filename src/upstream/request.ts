import { fieldLines } from '../http/field-lines.ts'
import type { BodySource } from '../http/body.ts'
import type { Reason } from '../model/outcome.ts'
import type { Route } from '../model/route.ts'
import type { RouteAddresses } from './addresses/route-addresses.ts'
import type { Transfer } from './slow-transfers.ts'

/**
 * Whose host an origin is: the route's `upstream` itself, a `sibling` that the operator trusts with what is the upstream's, or a
 * `stranger`, which gets none of it: no credentials, no client certificate, and no link-local address.
 */
export type HostStanding = 'upstream' | 'sibling' | 'stranger'

/** Where something goes that needs an upstream's connection, and whose it is. */
export interface Destination {
  readonly route: Route
  /** `http:` or `https:` URL without path. */
  readonly origin: string
  /** See HostStanding. A request's fields have to be fit for it: see `strangerHeaders`. */
  readonly standing: HostStanding
  /** The tenant, or where there is none the client's address: holders share a pool's places. */
  readonly holder: string
  /** Now, in monotonic milliseconds. */
  readonly tick: number
}

/** What steps before an upstream learn of a request, for its entry. */
export interface RequestNotes {
  /** `host:port` that it was sent to last. */
  upstream: string
  /** Digest of what the answer holds, as the upstream names it: `sha256:…`; '' for none. */
  digest: string
  /** What the upstream said of its own rate limit: see docs/upstreams.md; '' for nothing. */
  upstreamLimit: string
  /** What is wrong with an answer that is passed on all the same; null for nothing. */
  reason: Reason | null
  /** Epoch milliseconds at a monotonic moment, counted from when the request came: a wall clock that is set meanwhile changes nothing. */
  timeAt(tick: number): number
}

/** The client's request, for steps that answer in the gateway's name. */
export interface AskedRequest {
  /** Path at the gateway: its beginning as the route writes it, the rest as received. */
  readonly path: string
  /** How the upstream's addresses read at the gateway, made anew; null where nobody has said how clients reach it. */
  addresses(): RouteAddresses | null
}

/** A request for an upstream, ready to be sent. */
export interface UpstreamRequest extends Destination {
  /** Where to write what is learnt of it; null for a request of the gateway's own. */
  readonly notes: RequestNotes | null
  /** What the client asked; null for a request of the gateway's own. */
  readonly asked: AskedRequest | null
  readonly method: string
  /** Starts with '/'. */
  readonly path: string
  /** Flat list: name, value, …; a Content-Length, if there is one, is in it. */
  readonly headers: readonly string[]
  /** Declared length of the body; -1 when there is none: then a body goes in chunks. */
  readonly contentLength: number
  /** Value of the Host field; null for the origin's. */
  readonly host: string | null
  /** It authenticates its connection, and not itself (NTLM, Negotiate): nothing else may be sent on that. */
  readonly isBoundToConnection: boolean
  /** A Buffer is all of it. */
  readonly body: BodySource | Buffer | null
}

/** Where a response comes from. */
export interface ResponseSource {
  /** False of a response that no upstream was asked for. */
  readonly isUpstream: boolean
  /** More data is welcome after an `onData` that returned false. */
  resume(): void
  /**
   * Bytes that `onData` got, in a place where they stay: until the next `onData` if that one returns true, and otherwise until
   * `resume`.
   */
  hold(bytes: Buffer): Buffer
  /** Destroys the connection with the request on it. `onError` follows, with this error. */
  abort(error: Error): void
}

/** Who hears of the response. Calls come in this order; `onError` may come at any point and is the last. */
export interface ResponseReceiver extends Transfer {
  /** A connection was found, or an answer that needs none. False gives it back unused: nothing else is called then. */
  onConnect(source: ResponseSource): boolean
  /** A response head, 1xx ones but 101 included. `fields` holds names and values in turn, latin1. */
  onHeaders(status: number, fields: string[], statusText: string): void
  /**
   * Bytes of the body, valid only during the call; see `hold`. `isLast` when they are known to be its last: `onEnd` follows
   * at once. False asks to hold back until `resume`; what one read of the socket brought may still follow.
   */
  onData(bytes: Buffer, isLast: boolean): boolean
  /** All that has arrived was handed over; what comes next may take long. */
  onPause(): void
  /** The response is complete. `isCut` when its end was a broken connection and not an end. */
  onEnd(trailers: string[], isCut: boolean): void
  /**
   * It failed. `isUnheard`: a kept-alive connection ended before a byte of the response came, as happens when the
   * upstream closes it at that very moment; such a request may be sent once more (RFC 9112 §9.3.1).
   */
  onError(error: NodeJS.ErrnoException, isUnheard: boolean): void
}

/** A request that waits for a connection, or has one. */
export interface Dispatched {
  /** Leaves the queue. Returns false when the request is no longer in it: then `abort` of its source ends it. */
  leave(): boolean
}

/** There is no queue to leave (any more). */
export const NOT_QUEUED: Dispatched = { leave: () => false }

/**
 * The head of a request on the wire. `host` is the origin's. A body without length goes in chunks; a method that has a body
 * by its nature says so when there is none (RFC 9110 §8.6). Names and values were checked by the client's parser or by the
 * configuration.
 */
export function requestHead(request: UpstreamRequest, host: string): string {
  const { method, headers } = request
  let head = `${method} ${request.path} HTTP/1.1\r\nhost: ${host}\r\nconnection: keep-alive\r\n`
  head += fieldLines(headers)
  if (request.contentLength === -1) {
    if (request.body !== null) head += 'transfer-encoding: chunked\r\n'
    else if (method === 'POST' || method === 'PUT' || method === 'PATCH') head += 'content-length: 0\r\n'
  }
  return `${head}\r\n`
}
