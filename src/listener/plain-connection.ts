import type { Socket } from 'node:net'
import type { Connection } from '../proxy/exchange/connection.ts'
import type { ClientRequest, ClientResponse } from '../proxy/exchange/client.ts'
import { readPlainRequest, type PlainRequest } from './plain-request.ts'
import { SocketResponse } from './socket-response.ts'

/** Who serves what a plain connection reads. */
export interface PlainOwner {
  /** Answers the request, now or later; never throws. */
  serve(connection: Connection, req: ClientRequest, res: ClientResponse): void
  /** Goes on with the connection, of which `first` has been read already. */
  handOver(socket: Socket, first: Buffer): void
}

/**
 * A client's connection for as long as its requests are plain: read and answered here, without Node's HTTP server. At the first
 * that is not, or does not arrive in one piece, or comes before the last was answered, that server gets the connection
 * for good, with the bytes, as if they had just come. Most connections of artifact clients never get there.
 *
 *     idle ──request──► busy ──answered──► idle           `#held` is what arrived while busy: reading is held back until
 *      │                 │ more bytes      │              the answer is out
 *      │                 ▼                 ▼
 *      └─not plain──► handed over ◄──── `#held`           after an answer that is the last, what still comes is thrown away
 *
 * Measured: 8 to 11 µs less CPU per request than Node's server takes. Why not all requests: docs/decisions/0001.
 */
export class PlainConnection {
  readonly #owner: PlainOwner
  readonly #maxHeaderBytes: number
  #socket: Socket | null = null
  #connection: Connection | null = null
  #state: 'idle' | 'busy' | 'handed over' | 'over' = 'idle'
  #held: Buffer | null = null
  #isEnding = false
  #isLast = false
  #response: SocketResponse | null = null
  readonly #onEnd = (): void => this.#onClientEnd()

  constructor(owner: PlainOwner, maxHeaderBytes: number) {
    this.#owner = owner
    this.#maxHeaderBytes = maxHeaderBytes
  }

  /** Begins; `onRead` is to be called with what the socket reads. */
  start(socket: Socket, connection: Connection): void {
    this.#socket = socket
    this.#connection = connection
    socket.on('error', () => {}) // 'close' follows, and tells all that is needed
    socket.once('end', this.#onEnd)
  }

  /** False holds further reads back. */
  onRead(bytes: Buffer): boolean {
    switch (this.#state) {
      case 'idle':
        this.#begin(bytes)
        return true
      case 'busy':
        this.#held = Buffer.from(bytes)
        // An answer that was to be the last is not: its client has sent more before it could know.
        if (this.#response?.headersSent === false && !this.#isLast) this.#response.shouldKeepAlive = true
        return false
      case 'handed over':
        // Only after an upgrade: Node's server reads by itself.
        return this.#socket?.push(Buffer.from(bytes)) ?? true
      case 'over':
        return true
    }
  }

  /** The client sends no more, and waits for the answer that is under way (RFC 9112 §9.6); with none, there is nothing to wait for. */
  #onClientEnd(): void {
    if (this.#state !== 'busy') {
      this.#socket?.end()
      return
    }
    this.#isEnding = true
    if (this.#response?.headersSent === false) this.#response.shouldKeepAlive = false
  }

  #begin(bytes: Buffer): void {
    const socket = this.#socket
    const connection = this.#connection
    if (socket === null || connection === null) return
    const request = readPlainRequest(bytes, this.#maxHeaderBytes)
    if (request === null) {
      this.#handOver(socket, Buffer.from(bytes))
      return
    }
    this.#state = 'busy'
    const response: SocketResponse = new SocketResponse(socket, request, () => {
      this.#onAnswered(socket, connection, request, response.shouldKeepAlive && !this.#isEnding)
    })
    this.#response = response
    this.#isLast = request.isLast
    this.#owner.serve(connection, request, response)
  }

  #onAnswered(socket: Socket, connection: Connection, request: PlainRequest, isKept: boolean): void {
    const held = this.#held
    this.#held = null
    // With it goes the request's head, and the key in it: a connection may be idle for long.
    this.#response = null
    if (held === null || !socket.writable) {
      this.#state = isKept ? 'idle' : 'over'
      if (!isKept) socket.destroySoon()
    } else if (request.isLast) {
      // Bytes after the last request are nobody's; unread they would turn our end into a reset (RFC 9112 §9.6).
      this.#state = 'over'
      connection.isMalformed = true
      socket.resume()
      socket.destroySoon()
    } else {
      // When it is we who want to end, what came in time is refused, and recorded.
      connection.isEnding = !isKept
      this.#handOver(socket, held)
    }
  }

  #handOver(socket: Socket, first: Buffer): void {
    this.#state = 'handed over'
    socket.off('end', this.#onEnd)
    this.#owner.handOver(socket, first)
  }
}
