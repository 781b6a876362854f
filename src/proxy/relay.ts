import type { Socket } from 'node:net'
import { ENTRY_TEXT_MAX } from '../model/access-entry.ts'
import type { Outcome, Reason } from '../model/outcome.ts'
import { fieldLines } from '../http/field-lines.ts'
import type { ClientResponse } from './exchange/client.ts'
import { addCorsFields } from './headers/cors.ts'
import type { Exchange } from './exchange/exchange.ts'
import type { ResponseReceiver, ResponseSource } from '../upstream/request.ts'
import { readRateLimit } from '../http/rate-limit-fields.ts'
import { clientHeaders, clientTrailers } from './headers/headers.ts'
import { returnThroughRoute } from './headers/redirects.ts'
import {
  RequestGoneError,
  UpstreamOpenError,
  upstreamFailure,
  UpstreamSilentError,
} from '../upstream/failure.ts'
import type { Upload } from './upload.ts'

/** What a relay leaves to what has sent its request. */
export interface RelayOwner {
  /** Sends the request once more; false when it must not be (RFC 9110 §9.2.2). */
  retry(): boolean
  /** Ends the exchange with one of the gateway's own answers; the response head has not been sent. */
  refuse(outcome: Outcome, reason: Reason | null): void
}

const NOTHING = Buffer.alloc(0)
/** A whole body up to this goes out in one write with its head: together they fit into what Node writes without a detour. */
const MAX_TEXT_BYTES = 8192
/** Reasons of the gateway's own to cut a response short; all others are the upstream's. */
const CUT_BY_US = new Set<Reason | null>([
  'idle_timeout',
  'gave_way',
  'document_too_large',
  'document_malformed',
  'document_foreign',
])
const DIGEST_FIELD = 'docker-content-digest'
const STATUS_TEXT = /^[\t\x20-\x7e\x80-\xff]*$/

/** Carries one upstream response to the client, with back pressure, honest about its end. One object per attempt. */
export class Relay implements ResponseReceiver {
  readonly #exchange: Exchange
  readonly #res: ClientResponse
  readonly #owner: RelayOwner
  readonly #upload: Upload | null
  #source: ResponseSource | null = null
  #isFraming = false
  #hasWritten = false
  #isCorked = false
  /** Over: later calls of the connection change nothing. */
  #isDone = false

  constructor(exchange: Exchange, res: ClientResponse, upload: Upload | null, owner: RelayOwner) {
    this.#exchange = exchange
    this.#res = res
    this.#upload = upload
    this.#owner = owner
  }

  onConnect(source: ResponseSource): boolean {
    if (this.#isDone) return false
    this.#source = source
    const exchange = this.#exchange
    const { route } = exchange
    const isUploading = this.#upload !== null && !this.#upload.isComplete
    const tick = performance.now()
    if (source.isUpstream) exchange.sentTick = tick
    else exchange.upstream = ''
    exchange.enter('head', (isUploading ? route?.idleTimeoutMs : route?.headerTimeoutMs) ?? 0, tick)
    return true
  }

  onHeaders(status: number, upstreamFields: string[], statusText: string): void {
    if (this.#isDone) return
    if (status < 200) {
      this.#relayInterim(status, upstreamFields, statusText)
      return
    }
    const exchange = this.#exchange
    if (status === 401 && isForGateway(exchange)) {
      this.fail('upstream_refused', 'upstream_auth')
      return
    }
    const headers = clientHeaders(upstreamFields, status)
    if (headers.isAmbiguous) {
      this.fail('upstream_reset', 'protocol')
      return
    }
    const tick = performance.now()
    if (headers.hasRateLimit) {
      const limit = readRateLimit(upstreamFields, status, exchange.timeAt(tick))
      if (limit !== '') exchange.upstreamLimit = limit
    }
    exchange.respondedTick = tick
    exchange.status = status
    exchange.outcome = 'forwarded'
    exchange.enter('body', exchange.route?.idleTimeoutMs ?? 0, tick)
    this.#isFraming = headers.hasLength || (exchange.req.httpVersionMinor > 0 && !exchange.asksForTunnel)
    if (exchange.route?.kind === 'oci') exchange.digest = digestOf(upstreamFields)
    returnThroughRoute(headers.fields, exchange)
    addCorsFields(exchange, headers.fields)
    headers.fields.push('X-Request-Id', exchange.requestId)
    if (this.#res.shouldKeepAlive) headers.fields.push('Keep-Alive', exchange.connection.keepAlive)
    if (STATUS_TEXT.test(statusText)) this.#res.writeHead(status, statusText, headers.fields)
    else this.#res.writeHead(status, headers.fields)
  }

  /**
   * The head goes out with the first bytes of the body when they are here already, alone otherwise: an EventSource stays
   * "connecting" until it sees the head.
   */
  onPause(): void {
    if (!this.#hasWritten && !this.#isDone && this.#res.headersSent) this.#flush()
    this.#uncork()
  }

  /** Writes the head if nothing else did. Not `flushHeaders`: that one re-encodes obs-text as UTF-8. */
  #flush(): void {
    if (this.#hasWritten) return
    this.#hasWritten = true
    this.#res.write(NOTHING)
  }

  onData(bytes: Buffer, isLast: boolean): boolean {
    if (this.#isDone) return true
    const exchange = this.#exchange
    exchange.bytesSent += bytes.length
    const isWhole = isLast && !this.#hasWritten && bytes.length <= MAX_TEXT_BYTES
    this.#hasWritten = true
    if (isWhole) {
      this.#res.writeWhole(bytes)
      return true
    }
    exchange.touch()
    const { socket } = this.#res
    // Corked by us, the pieces of one read go out together, when it is over and not when the turn is.
    if (!this.#isCorked && socket !== null) {
      this.#isCorked = true
      socket.cork()
    }
    this.#res.write(this.#source?.hold(bytes) ?? Buffer.from(bytes), (error) => this.#onWritten(error))
    exchange.isClientBlocked = true
    if (isLast) this.#uncork()
    return !exchange.isClientBlocked
  }

  /** Lets out what one read brought. The upstream goes on when the client's socket has let go of it all. */
  #uncork(): void {
    if (!this.#isCorked) return
    this.#isCorked = false
    const { socket } = this.#res
    socket?.uncork()
    if (socket?.writableLength === 0) this.#onDrain()
  }

  onEnd(rawTrailers: string[], isCut: boolean): void {
    if (this.#isDone) return
    if (isCut) {
      this.fail('upstream_reset', 'truncated')
      return
    }
    this.#isDone = true
    this.#isCorked = false // by `end`
    this.#source = null
    if (rawTrailers.length > 0 && this.#exchange.head.acceptsTrailers) {
      const trailers = clientTrailers(rawTrailers)
      if (trailers !== null) this.#res.addTrailers(trailers)
    }
    this.#res.end()
  }

  onError(error: NodeJS.ErrnoException, isUnheard: boolean): void {
    if (this.#isDone) return
    if (isUnheard && this.#owner.retry()) {
      this.#isDone = true
      return
    }
    const { outcome, reason } = upstreamFailure(error)
    if (error instanceof UpstreamOpenError) this.#exchange.retryAfterSeconds = error.retryAfterSeconds
    const isHeadless = this.#exchange.respondedTick < 0
    this.fail(outcome, isHeadless && reason === 'truncated' ? 'protocol' : reason)
  }

  /**
   * Ends the exchange for a reason of ours or the upstream's. Before the head: a problem document. After it: the client's
   * connection is broken, because nothing else tells it that the body is not whole (RFC 9112 §8).
   */
  fail(outcome: Outcome, reason: Reason | null): void {
    if (this.#isDone) return
    // What was good of the response arrives: Node puts off writes to the end of the turn, and there would be none.
    if (this.#res.headersSent) {
      this.#flush()
      this.#isCorked = false
      this.#res.socket?.uncork()
    }
    this.#isDone = true
    this.#source?.abort(reason === 'response_timeout' ? new UpstreamSilentError() : new RequestGoneError())
    const exchange = this.#exchange
    if (!this.#res.headersSent) {
      this.#owner.refuse(outcome, reason)
      return
    }
    exchange.end(outcome, exchange.respondedTick >= 0 && !CUT_BY_US.has(reason) ? 'truncated' : reason)
    // Without length or chunks the end of the connection is the end of the body: only a reset is no such end.
    if (this.#isFraming) this.#res.destroy()
    else this.#res.socket?.resetAndDestroy()
  }

  /** See Transfer. */
  moved(): number {
    const { phase, bytesReceived, bytesSent } = this.#exchange
    if (phase === 'head' && (this.#upload === null || this.#upload.isComplete)) return -1
    return bytesReceived + bytesSent - unsentBytes(this.#res.socket)
  }

  /** See Transfer. */
  movingSince(): number {
    const { respondedTick, sentTick } = this.#exchange
    return respondedTick < 0 ? sentTick : respondedTick
  }

  /** See Transfer. */
  giveWay(): void {
    this.fail('overloaded', 'gave_way')
  }

  /** The client has gone: the upstream's side goes too. */
  cancel(): void {
    if (this.#isDone) return
    this.#isDone = true
    this.#source?.abort(new RequestGoneError())
  }

  #onWritten(error: Error | null | undefined): void {
    if (error instanceof Error || !this.#exchange.isClientBlocked || this.#isCorked) return
    const { socket } = this.#res
    if (socket === null || socket.writableLength === 0) this.#onDrain()
  }

  #onDrain(): void {
    const exchange = this.#exchange
    exchange.isClientBlocked = false
    exchange.touch()
    if (!this.#isDone) this.#source?.resume()
  }

  /**
   * 102 and 103 are passed on, to clients of HTTP/1.1 only, and only while no other response is on the wire. A 100 is not:
   * the gateway answers `Expect` itself, and a client that sent none would only wonder.
   */
  #relayInterim(status: number, raw: string[], statusText: string): void {
    const res = this.#res
    if (status === 100) return
    if (this.#exchange.req.httpVersionMinor === 0 || res.socket === null || res.headersSent) return
    const { fields } = clientHeaders(raw, status)
    const line = `HTTP/1.1 ${status} ${STATUS_TEXT.test(statusText) ? statusText : ''}`
    res.socket.write(`${line}\r\n${fieldLines(fields)}\r\n`, 'latin1')
    this.#exchange.touch()
  }
}

/**
 * Whether a challenge is the gateway's to answer: no key of a client's is wrong, and what it would present instead is not passed on to
 * where the gateway logs in itself, or to a host that gets no credentials.
 */
function isForGateway({ route, files }: Exchange): boolean {
  if (files !== null && !files.host.auth) return true
  return route?.upstream.hasLogin === true
}

/** Where Node keeps what the system has not taken of a write. */
interface SocketInside {
  readonly _handle?: { readonly writeQueueSize?: number } | null
}

/** Bytes of a write under way that the system has not taken: a slow client takes a large one in small pieces. */
function unsentBytes(socket: Socket | null): number {
  return (socket as unknown as SocketInside | null)?._handle?.writeQueueSize ?? 0
}

/** `Docker-Content-Digest` (Distribution specification, "Pulling manifests"): what a tag stands for. '' for none, or what is too long for one. */
function digestOf(fields: readonly string[]): string {
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i] ?? ''
    if (name.length !== DIGEST_FIELD.length || name.toLowerCase() !== DIGEST_FIELD) continue
    const digest = fields[i + 1] ?? ''
    return digest.length > ENTRY_TEXT_MAX.digest ? '' : digest
  }
  return ''
}
