import { ServerResponse, type IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'
import type { Exchange } from './exchange.ts'

/**
 * A request's body on its way upstream. Stands between the client's message and the upstream, so that an upstream that
 * answers early and closes destroys this stream and not the client's connection: the early answer still gets through
 * (the failure of proxies that pipe the message itself: EPIPE eats the 413).
 */
export class Upload extends Readable {
  readonly #exchange: Exchange
  readonly #message: IncomingMessage
  readonly #onTooLarge: () => void
  readonly #maxBytes: number
  /** All of the client's body has arrived. */
  isComplete = false

  constructor(
    exchange: Exchange,
    message: IncomingMessage,
    limit: { readonly maxBytes: number; readonly onTooLarge: () => void },
  ) {
    super({ highWaterMark: 65_536 })
    this.#exchange = exchange
    this.#message = message
    this.#maxBytes = limit.maxBytes
    this.#onTooLarge = limit.onTooLarge
    message.on('data', (chunk: Buffer) => this.#take(chunk))
    message.on('end', () => {
      this.isComplete = true
      if (exchange.phase === 'head')
        exchange.enter('head', exchange.route?.headerTimeoutMs ?? 0, performance.now())
      this.push(null)
    })
    // Destroyed by its connection when the upstream answers early or goes: the exchange hears of that from its relay.
    this.on('error', () => {})
  }

  /** Whether the upstream does not take the body as fast as the client sends it. */
  get isUpstreamBlocked(): boolean {
    return this.readableLength >= this.readableHighWaterMark
  }

  override _read(): void {
    if (this.#exchange.expectsContinue) {
      this.#exchange.expectsContinue = false
      const { res } = this.#exchange
      if (res instanceof ServerResponse) res.writeContinue()
    }
    this.#message.resume()
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    // What is left of the body is read and thrown away; the linger limit ends that.
    if (!this.isComplete) this.#message.resume()
    callback(error)
  }

  #take(chunk: Buffer): void {
    const exchange = this.#exchange
    exchange.bytesReceived += chunk.length
    if (this.destroyed) return
    exchange.touch()
    if (exchange.bytesReceived > this.#maxBytes) {
      this.#onTooLarge()
      return
    }
    if (!this.push(chunk)) this.#message.pause()
  }
}
