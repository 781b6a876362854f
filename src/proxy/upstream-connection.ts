import type { Socket } from 'node:net'
import { ReadBuffer } from './read-buffer.ts'
import { RequestBody } from './request-body.ts'
import type { ResponseHead } from './response-head.ts'
import { ResponseParser, type ParsedResponse } from './response-parser.ts'
import {
  RequestGoneError,
  UpstreamClosedError,
  UpstreamConnectTimeoutError,
  UpstreamProtocolError,
} from './upstream-failure.ts'
import {
  requestHead,
  type ResponseReceiver,
  type ResponseSource,
  type UpstreamRequest,
} from './upstream-request.ts'
import { openUpstreamSocket, type SocketReader, type UpstreamTarget } from './upstream-socket.ts'

/** Who owns connections; called once for each request, and once when a connection without one has ended. */
export interface ConnectionOwner {
  /** The request is over; `isReusable` when the connection takes another one. */
  onFree(connection: UpstreamConnection, isReusable: boolean): void
  /** An idle connection has ended. */
  onLost(connection: UpstreamConnection): void
  /** The socket has closed, for whatever reason. */
  onClose(connection: UpstreamConnection): void
}

/** A request on its way, and what is known of its response. */
interface Job {
  readonly request: UpstreamRequest
  readonly receiver: ResponseReceiver
}

const IDLE_MS = 30_000
const MAX_IDLE_MS = 300_000
/** An upstream that says how long it keeps an idle connection is believed less this: its end and our next request may cross. */
const IDLE_MARGIN_MS = 2000

/**
 * One connection to an upstream, one request at a time (RFC 9112 §9.3).
 *
 *     connecting ──► busy ◄──► idle ──► gone          `#job` is set while connecting and busy; an idle connection that
 *          └──────────┴────────────────►│             hears anything, be it bytes or the end, is gone
 */
export class UpstreamConnection implements ParsedResponse, ResponseSource, SocketReader {
  readonly #socket: Socket
  readonly #target: UpstreamTarget
  readonly #owner: ConnectionOwner
  readonly #reads: ReadBuffer
  #job: Job | null = null
  #parser: ResponseParser | null = null
  #body: RequestBody | null = null
  #connectTimer: NodeJS.Timeout | null
  #isConnected = false
  #isGone = false
  #isReused = false
  /** A byte of the response has come. */
  #isHeard = false
  #isPersistent = false
  /** The receiver has asked to hold back; at the end of the read the socket pauses, unless it has resumed by then. */
  #isUnwelcome = false
  #isPaused = false
  #idleMs = IDLE_MS
  /** Monotonic milliseconds until which an idle connection may be used. */
  idleUntilTick = 0

  constructor(target: UpstreamTarget, owner: ConnectionOwner) {
    this.#target = target
    this.#owner = owner
    this.#reads = new ReadBuffer(target.isTls)
    const socket = openUpstreamSocket(target, this)
    this.#socket = socket
    this.#connectTimer = setTimeout(
      () => this.#fail(new UpstreamConnectTimeoutError()),
      target.connectTimeoutMs,
    )
    socket.once(target.isTls ? 'secureConnect' : 'connect', () => this.#onConnected())
    socket.on('drain', () => this.#body?.resume())
    socket.once('end', () => this.#onEnd())
    socket.on('error', (error) => this.#fail(error))
    socket.once('close', () => {
      this.#fail(new UpstreamClosedError())
      owner.onClose(this)
    })
  }

  /** Sends a request, as soon as the connection stands. The connection must be new or idle. */
  send(request: UpstreamRequest, receiver: ResponseReceiver): void {
    this.#job = { request, receiver }
    if (this.#isConnected) this.#begin()
  }

  /** See ResponseSource. */
  resume(): void {
    this.#isUnwelcome = false
    if (!this.#isPaused) return
    this.#isPaused = false
    this.#socket.resume()
  }

  /** See ResponseSource. */
  abort(error: Error): void {
    this.#fail(error)
  }

  /** Ends the connection, and the request that may be on it. */
  destroy(): void {
    this.#fail(new RequestGoneError())
  }

  /** See ParsedResponse. */
  onHead(head: ResponseHead): void {
    if (head.status >= 200) {
      const { isPersistent, keepAliveMs } = head
      this.#idleMs = keepAliveMs === -1 ? IDLE_MS : Math.min(keepAliveMs - IDLE_MARGIN_MS, MAX_IDLE_MS)
      this.#isPersistent = isPersistent && this.#idleMs > 0
    }
    this.#job?.receiver.onHeaders(head.status, head.fields, head.statusText)
  }

  /** See ResponseSource. */
  hold(bytes: Buffer): Buffer {
    return this.#reads.hold(bytes)
  }

  /** See ParsedResponse. */
  onBody(bytes: Buffer, isLast: boolean): void {
    const wasUnwelcome = this.#isUnwelcome
    this.#isUnwelcome = true // also of a receiver that throws: who knows what it holds
    const isWelcome = this.#job?.receiver.onData(bytes, isLast) ?? true
    if (isWelcome && !wasUnwelcome) this.#isUnwelcome = false
  }

  /** See SocketReader. */
  nextBuffer(): Buffer {
    return this.#reads.next(!this.#isUnwelcome)
  }

  #onConnected(): void {
    this.#isConnected = true
    this.#clearConnectTimer()
    if (this.#job !== null) this.#begin()
  }

  #begin(): void {
    const job = this.#job
    if (job === null) return
    const { request, receiver } = job
    if (!receiver.onConnect(this)) {
      this.#job = null
      this.#rest()
      this.#owner.onFree(this, true)
      return
    }
    const socket = this.#socket
    const { body } = request
    this.#parser = new ResponseParser(this, request.method === 'HEAD')
    this.#isHeard = false
    const head = requestHead(request, this.#target.host)
    if (body === null || Buffer.isBuffer(body)) {
      socket.write(body === null ? head : head + body.toString('latin1'), 'latin1')
      return
    }
    socket.cork()
    socket.write(head, 'latin1')
    this.#body = new RequestBody(socket, body, request.contentLength === -1)
    body.start(this.#body)
  }

  /** See SocketReader. */
  onRead(length: number): void {
    const bytes = this.#reads.read(length)
    const parser = this.#parser
    if (parser === null) {
      this.#fail(new UpstreamProtocolError()) // nobody asked: never the next answer (RFC 9112 §9.2)
      return
    }
    this.#isHeard = true
    try {
      const verdict = parser.execute(bytes)
      if (verdict === 'done') this.#complete(parser.trailers, false, parser.consumed < bytes.length)
      else if (verdict === 'more') this.#job?.receiver.onPause()
      else if (verdict === 'malformed') this.#fail(new UpstreamProtocolError())
    } catch (error) {
      // A receiver that throws costs its request, not the process.
      this.#fail(error instanceof Error ? error : new Error(String(error)))
    }
    if (!this.#isUnwelcome || this.#isPaused || this.#isGone) return
    this.#isPaused = true
    this.#socket.pause()
  }

  #complete(trailers: string[], isCut: boolean, hasSurplus: boolean): void {
    const job = this.#job
    const body = this.#body
    this.#job = null
    this.#parser = null
    this.#body = null
    this.#reads.release(!this.#isUnwelcome)
    this.#isUnwelcome = false
    // Answered before the request was whole: what is left of it cannot be taken back.
    const isWhole = body === null || body.isComplete
    if (!isWhole) body.stop()
    const isReusable = isWhole && this.#isPersistent && !hasSurplus && !this.#isGone
    if (isReusable) {
      this.#rest()
      this.resume()
    } else {
      this.#end()
    }
    this.#owner.onFree(this, isReusable)
    job?.receiver.onEnd(trailers, isCut)
  }

  /** From here on the upstream may end the connection at any moment, also when a request is on its way already. */
  #rest(): void {
    this.#isReused = true
    this.idleUntilTick = performance.now() + this.#idleMs
  }

  #onEnd(): void {
    if (this.#parser?.end() !== true) {
      this.#fail(new UpstreamClosedError())
      return
    }
    this.#isPersistent = false
    this.#complete([], isReset(this.#socket), false)
  }

  /** The one way out that is not a complete response. A second call does nothing. */
  #fail(error: Error): void {
    if (this.#isGone) return
    const job = this.#job
    const body = this.#body
    const isUnheard = this.#isReused && !this.#isHeard
    this.#job = null
    this.#body = null
    this.#parser?.stop()
    this.#parser = null
    this.#reads.release(!this.#isUnwelcome)
    this.#end()
    body?.stop()
    if (job === null) {
      this.#owner.onLost(this)
      return
    }
    this.#owner.onFree(this, false)
    job.receiver.onError(error, isUnheard)
  }

  #end(): void {
    this.#isGone = true
    this.#clearConnectTimer()
    this.#socket.destroy()
  }

  #clearConnectTimer(): void {
    if (this.#connectTimer === null) return
    clearTimeout(this.#connectTimer)
    this.#connectTimer = null
  }
}

/**
 * Whether a response that its connection's end completed was cut. libuv reports an end when a reset follows data closely
 * (POLLHUP after a partial read). A client must not take it so: RFC 9112 §8. A connection that was reset has no peer any
 * more, one that was ended still has.
 */
function isReset(socket: Socket): boolean {
  return socket.errored !== null || socket.remoteAddress === undefined
}
