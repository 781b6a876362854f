import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import { lastChunk, writeChunk } from '../http/chunk-framing.ts'
import { fieldLines } from '../http/field-lines.ts'
import type { ClientResponse } from '../proxy/exchange/client.ts'

const NOTHING = Buffer.alloc(0)

/**
 * A response written straight onto its connection (RFC 9112 §4, §6, §7.1): with its length when the head has one, else in chunks;
 * nothing after the head of a HEAD, 204 or 304. To plain requests, and to all that Node's server hands the connection over with.
 */
export class SocketResponse implements ClientResponse {
  readonly socket: Socket
  readonly #isHead: boolean
  readonly #onFinish: () => void
  shouldKeepAlive: boolean
  /** False for a client that may not know chunks: then the end of the connection is the end of a body without length. */
  canChunk = true
  headersSent = false
  writableEnded = false
  writableFinished = false
  /** The head, until it is written. */
  #head = ''
  #hasBody = true
  #isChunked = false
  #trailers = ''
  #onClose: (() => void)[] = []

  /** `onFinish` is called once, after the listeners of `close`, when all was handed to the system. */
  constructor(
    socket: Socket,
    request: { readonly method?: string | undefined; readonly isLast: boolean },
    onFinish: () => void,
  ) {
    this.socket = socket
    this.#isHead = request.method === 'HEAD'
    this.shouldKeepAlive = !request.isLast
    this.#onFinish = onFinish
  }

  writeContinue(): void {
    this.socket.write('HTTP/1.1 100 Continue\r\n\r\n', 'latin1')
  }

  writeHead(status: number, second: string | string[], third?: string[]): void {
    const isTold = typeof second === 'string'
    const fields = isTold ? (third ?? []) : second
    const statusText = isTold ? second : (STATUS_CODES[status] ?? 'unknown')
    this.#hasBody = !this.#isHead && status !== 204 && status !== 304
    this.#isChunked = this.#hasBody && this.canChunk
    let hasDate = false
    for (let i = 0; i < fields.length; i += 2) {
      const name = fields[i] ?? ''
      if (name.length === 4) hasDate ||= name.toLowerCase() === 'date'
      else if (name.length === 14 && name.toLowerCase() === 'content-length') this.#isChunked = false
    }
    let head = `HTTP/1.1 ${status} ${statusText}\r\n${fieldLines(fields)}`
    if (!hasDate) head += `Date: ${httpDate()}\r\n`
    head += this.shouldKeepAlive ? 'Connection: keep-alive\r\n' : 'Connection: close\r\n'
    if (this.#isChunked) head += 'Transfer-Encoding: chunked\r\n'
    this.#head = `${head}\r\n`
    this.headersSent = true
  }

  write(bytes: Buffer, onWritten?: (error: Error | null | undefined) => void): void {
    const { socket } = this
    if (bytes.length === 0 || !this.#hasBody) {
      this.#writeHeadAlone()
    } else if (this.#head === '' && !this.#isChunked) {
      socket.write(bytes, onWritten)
    } else {
      socket.cork()
      this.#writeHeadAlone()
      if (this.#isChunked) writeChunk(socket, bytes, onWritten)
      else socket.write(bytes, onWritten)
      socket.uncork()
    }
  }

  writeWhole(bytes: Buffer): void {
    if (!this.#hasBody || this.#isChunked) {
      this.write(Buffer.from(bytes))
      return
    }
    const head = this.#head
    this.#head = ''
    this.socket.write(head + bytes.toString('latin1'), 'latin1')
  }

  addTrailers(trailers: [string, string][]): void {
    for (const [name, value] of trailers) this.#trailers += `${name}: ${value}\r\n`
  }

  end(body?: Buffer): void {
    if (this.writableEnded) return
    if (body === undefined) this.#writeHeadAlone()
    else this.writeWhole(body)
    this.writableEnded = true
    if (this.#isChunked) this.socket.write(lastChunk(this.#trailers), 'latin1')
    const { socket } = this
    while (socket.writableCorked > 0) socket.uncork()
    // Usually the system has taken all of it already: no need to be told later.
    if (socket.writableLength === 0 && socket.errored === null && !socket.destroyed) this.#finish()
    else socket.write(NOTHING, (error) => (error ? undefined : this.#finish()))
  }

  destroy(): void {
    this.socket.destroy()
  }

  /** See ClientResponse; a connection that ends before the response does tells that by itself. */
  once(_event: 'close', listener: () => void): void {
    this.#onClose.push(listener)
  }

  #writeHeadAlone(): void {
    const head = this.#head
    if (head === '') return
    this.#head = ''
    this.socket.write(head, 'latin1')
  }

  #finish(): void {
    this.writableFinished = true
    for (const listener of this.#onClose) listener()
    this.#onFinish()
  }
}

let date = ''
let dateSecond = 0

/** Date of a response that came without one (RFC 9110 §6.6.1), made once a second. */
function httpDate(): string {
  const nowMs = Date.now()
  const second = Math.floor(nowMs / 1000)
  if (second !== dateSecond) {
    dateSecond = second
    date = new Date(nowMs).toUTCString()
  }
  return date
}
