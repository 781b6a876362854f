import type { Socket } from 'node:net'
import type { Holder } from './places.ts'
import { ReadBuffer } from './read-buffer.ts'
import { RequestBody } from './request-body.ts'
import type { FailureKind } from '../model/upstream/health-rules.ts'
import type { ResponseHead } from '../http/response-head.ts'
import { ResponseParser, type ParsedResponse } from '../http/response-parser.ts'
import { ProgressMark } from './slow-transfers.ts'
import {
  faultOf,
  RequestGoneError,
  UpstreamClosedError,
  UpstreamConnectTimeoutError,
  UpstreamProtocolError,
} from './failure.ts'
import { requestHead, type ResponseReceiver, type ResponseSource, type UpstreamRequest } from './request.ts'
import { isEndProven, openUpstreamSocket, type SocketReader, type UpstreamTarget } from './socket.ts'

/** Who owns connections; called once for each request, and once when a connection without one has ended. */
export interface ConnectionOwner {
  /** The request is over; `isReusable` when the connection takes another one. */
  onFree(connection: UpstreamConnection, isReusable: boolean): void
  /** An idle connection has ended. */
  onLost(connection: UpstreamConnection): void
  /** Bytes came that nobody asked for. */
  onStray(): void
  /** A request, sent at `tick`, was answered. */
  onAnswer(status: number, tick: number): void
  /** A request ended without an answer, as `faultOf` says. */
  onFault(kind: FailureKind | null): void
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
  readonly isUpstream = true
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
  /** The response's head has come. */
  #isAnswered = false
  #isPersistent = false
  /** The receiver has asked to hold back; at the end of the read the socket pauses, unless it has resumed by then. */
  #isUnwelcome = false
  #isPaused = false
  #idleMs = IDLE_MS
  /** Monotonic milliseconds from which on it takes no further request. */
  readonly #retireTick: number
  /** Monotonic milliseconds since and until which an idle connection may be used. */
  idleSinceTick = 0
  idleUntilTick = 0
  /** Its last response had no body, by its kind: an upstream in error may send one all the same. */
  isSuspect = false
  /** The owner's own: who has it or had it last, its neighbours among the idle, what its transfer had moved and when. */
  holder: Holder
  older: UpstreamConnection | null = null
  newer: UpstreamConnection | null = null
  isIdle = false
  readonly mark = new ProgressMark()

  constructor(target: UpstreamTarget, owner: ConnectionOwner, holder: Holder, retireTick: number) {
    this.#target = target
    this.#owner = owner
    this.holder = holder
    this.#retireTick = retireTick
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

  /** Who receives the response under way; null when there is none. */
  get receiver(): ResponseReceiver | null {
    return this.#job?.receiver ?? null
  }

  /** Address of the upstream; null before it is connected, and of one that has closed. */
  get address(): string | null {
    return this.#socket.remoteAddress ?? null
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
      const { isPersistent, keepAliveMs, status } = head
      this.isSuspect = status === 304 || status === 204 || this.#job?.request.method === 'HEAD'
      this.#idleMs = keepAliveMs === -1 ? IDLE_MS : Math.min(keepAliveMs - IDLE_MARGIN_MS, MAX_IDLE_MS)
      this.#isPersistent = isPersistent && this.#idleMs > 0
      this.#isAnswered = true
      this.#owner.onAnswer(status, this.#job?.request.tick ?? 0)
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
      this.#owner.onFault(null)
      this.#rest(performance.now())
      this.#owner.onFree(this, true)
      return
    }
    const socket = this.#socket
    const { body } = request
    this.#parser = new ResponseParser(this, request.method === 'HEAD')
    this.#isHeard = false
    this.#isAnswered = false
    const head = requestHead(request, request.host ?? this.#target.host)
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
      if (!this.#isGone) this.#owner.onStray()
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
    // What was authenticated with its connection stays so (RFC 4559 §6): nobody else may be lent it.
    const isKept = this.#isPersistent && job?.request.isBoundToConnection !== true
    const tick = performance.now()
    const isReusable = isWhole && isKept && !hasSurplus && !this.#isGone && tick < this.#retireTick
    if (hasSurplus) this.#owner.onStray()
    if (isReusable) {
      this.#rest(tick)
      this.resume()
    } else {
      this.#end()
    }
    this.#owner.onFree(this, isReusable)
    job?.receiver.onEnd(trailers, isCut)
  }

  /** From here on the upstream may end the connection at any moment, also when a request is on its way already. */
  #rest(tick: number): void {
    this.#isReused = true
    this.idleSinceTick = tick
    this.idleUntilTick = Math.min(tick + this.#idleMs, this.#retireTick)
  }

  #onEnd(): void {
    if (this.#parser?.end() !== true) {
      this.#fail(new UpstreamClosedError())
      return
    }
    this.#isPersistent = false
    const isCut = isReset(this.#socket) || !isEndProven(this.#socket, this.#isPaused)
    this.#complete([], isCut, false)
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
    if (!this.#isAnswered) this.#owner.onFault(isUnheard ? null : faultOf(error, this.#isConnected))
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
