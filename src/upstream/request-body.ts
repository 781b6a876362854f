import type { Socket } from 'node:net'
import { lastChunk, writeChunk } from '../http/chunk-framing.ts'
import { freeMemory } from '../lib/host/free-memory.ts'
import type { BodySink, BodySource } from '../http/body.ts'

/** Pieces on their way whose memory is given back when the socket has let go of them; the collector gets others. */
const MAX_PENDING = 4

/** Writes a request's body onto a connection, as fast as the upstream takes it and no faster. One object per body. */
export class RequestBody implements BodySink {
  readonly #socket: Socket
  readonly #source: BodySource
  readonly #isChunked: boolean
  #isOver = false
  /** The head was held back for the first bytes of the body. */
  #isCorked = true
  #pending: Buffer[] = []
  /** All of it was handed to the connection. */
  isComplete = false

  /** The caller has written the head onto the corked socket, and calls `resume` when the socket has drained. */
  constructor(socket: Socket, source: BodySource, isChunked: boolean) {
    this.#socket = socket
    this.#source = source
    this.#isChunked = isChunked
    // A small body that is there already goes out with the head, in one write; a head never waits for more than that.
    setImmediate(() => this.#uncork())
  }

  /** The connection takes data again. */
  resume(): void {
    this.#free()
    if (!this.#isOver) this.#source.resume()
  }

  /** Writes no more. What is left of the body is its source's business. */
  stop(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#uncork()
    this.#source.stop()
  }

  /** See BodySink. */
  write(bytes: Buffer): boolean {
    if (this.#isOver || bytes.length === 0) return true
    const socket = this.#socket
    const hasRoom = this.#isChunked ? writeChunk(socket, bytes) : socket.write(bytes)
    this.#uncork()
    if (this.#pending.length < MAX_PENDING) this.#pending.push(bytes)
    this.#free()
    // Node says false of a large piece also when the kernel has taken all of it at once.
    return hasRoom || socket.writableLength === 0
  }

  /** See BodySink. */
  end(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.isComplete = true
    if (this.#isChunked) this.#socket.write(lastChunk(''), 'latin1')
    this.#uncork()
  }

  #free(): void {
    if (this.#socket.writableLength > 0) return
    for (let bytes = this.#pending.pop(); bytes !== undefined; bytes = this.#pending.pop()) freeMemory(bytes)
  }

  #uncork(): void {
    if (!this.#isCorked) return
    this.#isCorked = false
    this.#socket.uncork()
  }
}
