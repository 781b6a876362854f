import type { Socket } from 'node:net'
import type { Readable } from 'node:stream'

const CRLF = '\r\n'
const LAST_CHUNK = '0\r\n\r\n'

/** Writes a request's body onto a connection, as fast as the upstream takes it and no faster. One object per body. */
export class RequestBody {
  readonly #socket: Socket
  readonly #body: Readable
  readonly #isChunked: boolean
  #isOver = false
  /** The head was held back for the first bytes of the body. */
  #isCorked = true
  /** All of it was handed to the connection. */
  isComplete = false

  /** The caller has written the head; `onFailure` is called when the body ends before its end. */
  constructor(socket: Socket, body: Readable, isChunked: boolean, onFailure: (error: Error | null) => void) {
    this.#socket = socket
    this.#body = body
    this.#isChunked = isChunked
    body.on('data', (chunk: Buffer) => this.#write(chunk))
    body.once('end', () => this.#finish())
    body.once('error', (error) => this.#fail(error, onFailure))
    body.once('close', () => this.#fail(null, onFailure))
    // A small body that is there already goes out with the head, in one write; a head never waits for more than that.
    setImmediate(() => this.#uncork())
  }

  /** The connection takes data again. */
  resume(): void {
    if (!this.#isOver) this.#body.resume()
  }

  /** Writes no more. What is left of the body is its owner's business, which hears of it by the stream's end. */
  stop(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#uncork()
    this.#body.destroy()
  }

  #write(chunk: Buffer): void {
    if (this.#isOver || chunk.length === 0) return
    const socket = this.#socket
    let hasRoom: boolean
    if (this.#isChunked) {
      socket.cork()
      socket.write(`${chunk.length.toString(16)}\r\n`, 'latin1')
      socket.write(chunk)
      hasRoom = socket.write(CRLF, 'latin1')
      socket.uncork()
    } else {
      hasRoom = socket.write(chunk)
    }
    this.#uncork()
    if (!hasRoom) this.#body.pause()
  }

  #finish(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.isComplete = true
    if (this.#isChunked) this.#socket.write(LAST_CHUNK, 'latin1')
    this.#uncork()
  }

  #fail(error: Error | null, onFailure: (error: Error | null) => void): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#uncork()
    onFailure(error)
  }

  #uncork(): void {
    if (!this.#isCorked) return
    this.#isCorked = false
    this.#socket.uncork()
  }
}
