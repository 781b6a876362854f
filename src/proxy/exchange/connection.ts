import type { Socket } from 'node:net'
import type { ClientResponse } from './client.ts'
import type { Exchange } from './exchange.ts'

/** How long what is left of an upload is read and thrown away after an early answer, so that the answer gets through. */
const LINGER_MS = 2000
/** The reset of a client that is gone has come by then. */
const ASK_AGAIN_MS = 500

/** Where a connection comes from, as far as it was told before its first request. */
export interface Origin {
  /** Address of the client's end; '' when a balancer does not say whom it speaks for. */
  readonly peer: string
  readonly proto: 'http' | 'https'
}

/**
 * A client connection and the exchanges open on it: usually one, more when the client pipelines. Node tells a pipelined
 * response that was not yet its connection's turn nothing of the connection's end; the gateway asks here.
 */
export class Connection {
  readonly socket: Socket
  /** Address of the client's end, as the socket or a balancer in front told it; see `Origin`. */
  readonly peer: string
  readonly proto: 'http' | 'https'
  readonly keepAlive: string
  /** In the order of their arrival. No Set: see Roster. */
  #open: Exchange[] = []
  /** Monotonic ms at which the connection is broken off unless the rest of an upload has arrived by then. */
  lingerUntilTick = Infinity
  /** Monotonic ms at which the client ended its side: it sends no more, and may still read. */
  endedTick = Infinity
  #askAtTick = 0
  #asked = 0
  /** Factor of the time that it may be idle: what was opened at one time shall not end at one time. */
  readonly patience = 1 + Math.random() / 4
  /** Who waits for the exchanges before it to end; seldom anybody. */
  #turns: { readonly own: Exchange | null; readonly next: () => void }[] = []
  #idleBytes = -1
  #idleSinceTick = 0
  /** Its input made no sense any more: what else comes is ignored. */
  isMalformed = false
  /** An answer of ours said that it was the last: requests that came meanwhile are refused. */
  isEnding = false

  /** `keepAlive`: value of the Keep-Alive field that tells clients how long an idle connection stays. */
  constructor(socket: Socket, origin: Origin, keepAlive: string) {
    this.socket = socket
    this.keepAlive = keepAlive
    this.peer = origin.peer
    this.proto = origin.proto
    const destroySoon = socket.destroySoon.bind(socket)
    // Node calls this right after the end of a last response. With input unread the kernel makes a reset of it, which can
    // overtake the answer; so only our side is closed and the rest is read (lingering close, RFC 9112 §9.6).
    socket.destroySoon = () => {
      if (!this.#hasInput()) {
        destroySoon()
        return
      }
      this.linger()
      socket.end()
    }
  }

  /** The exchanges open at this moment, in the order of their arrival; a copy when there are several. */
  get open(): readonly Exchange[] {
    return this.#open.length > 1 ? this.#open.slice() : this.#open
  }

  opened(exchange: Exchange): void {
    this.#open.push(exchange)
  }

  closed(exchange: Exchange): void {
    if (this.#open.length === 1 && this.#open[0] === exchange) this.#open.pop()
    else this.#open = this.#open.filter((other) => other !== exchange)
    if (this.#turns.length > 0) this.#nextTurn()
  }

  /**
   * Calls `next` when no exchange but `own` is open any more: at once, or after the last answer before it. `own` null: when none is.
   * Node tells nobody of a pipelined request that its turn has come once the request has left its hands.
   */
  afterOthers(own: Exchange | null, next: () => void): void {
    const others = this.#open.length - (own !== null && this.#open.includes(own) ? 1 : 0)
    if (others === 0) next()
    else this.#turns.push({ own, next })
  }

  /**
   * Makes this answer the last on the connection. One before it that was to be the last, and has not told its client so, is not any
   * more: its client had sent another request before it could know.
   */
  endWith(res: ClientResponse): void {
    for (const earlier of this.#open) {
      if (!earlier.res.headersSent) earlier.res.shouldKeepAlive = true
    }
    res.shouldKeepAlive = false
  }

  /** The client has ended its side: what is open is answered, and no more comes. */
  endClient(): void {
    this.endedTick = performance.now()
    this.#askAtTick = this.endedTick
    const res = this.#open.at(-1)?.res
    if (res?.headersSent === false) res.shouldKeepAlive = false
  }

  /**
   * To be asked now and then once the client has ended its side: whether that was its end altogether. A closed socket and one that is
   * closed in one direction look the same until something is written: before the head that is an interim response (RFC 9110 §15.2),
   * twice, as the first is answered by the reset that the second meets. Amid a body there is nothing that could be written: after
   * `quietMs` without a byte the client counts as gone.
   */
  hasClientLeft(quietMs: number, nowTick: number): boolean {
    const exchange = this.#open[0]
    if (exchange === undefined || exchange.asksForTunnel) return false
    if (exchange.res.headersSent) {
      const quietSince = Math.max(this.endedTick, exchange.activeTick)
      return !exchange.isClientBlocked && nowTick - quietSince > quietMs
    }
    if (exchange.req.httpVersionMinor === 0) return false
    const waitMs = this.#asked % 2 === 0 ? quietMs : ASK_AGAIN_MS
    if (nowTick - this.#askAtTick <= waitMs) return false
    this.#asked++
    this.#askAtTick = nowTick
    this.socket.write('HTTP/1.1 100 Continue\r\n\r\n', 'latin1')
    return false
  }

  /** The rest of an upload is welcome for a while and no longer. */
  linger(): void {
    this.lingerUntilTick = Math.min(this.lingerUntilTick, performance.now() + LINGER_MS)
  }

  /**
   * Whether nothing was open on it and not a byte came for longer than `limitMs`. Asked by the listener's clock: measured, a
   * timer of the socket, set and cleared for each request, costs 0.8 µs.
   */
  isIdleLongerThan(limitMs: number, nowTick: number): boolean {
    const bytes = this.#open.length > 0 ? -1 : this.socket.bytesRead
    if (bytes !== -1 && bytes === this.#idleBytes) return nowTick - this.#idleSinceTick > limitMs
    this.#idleBytes = bytes
    this.#idleSinceTick = nowTick
    return false
  }

  /** After the answer is written to the end: Node still gives the socket away in this turn. */
  #nextTurn(): void {
    setImmediate(() => {
      const turns = this.#turns
      this.#turns = []
      for (const { own, next } of turns) this.afterOthers(own, next)
    })
  }

  #hasInput(): boolean {
    if (this.isMalformed || this.lingerUntilTick !== Infinity) return true
    for (const { req } of this.#open) if (req.tunnel === null && !req.complete) return true
    return false
  }
}
