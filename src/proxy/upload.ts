import { ServerResponse, type IncomingMessage } from 'node:http'
import type { Exchange } from './exchange/exchange.ts'
import type { BodySink, BodySource } from '../upstream/request.ts'

/**
 * A request's body on its way upstream. Stands between the client's message and the upstream, so that an upstream that
 * answers early and closes stops this and not the client's connection: the early answer still gets through (the failure of
 * proxies that pipe the message itself: EPIPE eats the 413).
 *
 * Not a stream: the message is one, and so is the socket that it goes to. A client whose upstream does not read has at most
 * two reads of 64 KiB in here: one that the socket has not taken, and one that came before the message paused.
 */
export class Upload implements BodySource {
  readonly #exchange: Exchange
  readonly #message: IncomingMessage
  readonly #onTooLarge: () => void
  readonly #maxBytes: number
  #sink: BodySink | null = null
  /** What came before there was a sink. */
  #early: Buffer[] = []
  #isStopped = false
  /** All of the client's body has arrived. */
  isComplete = false
  /** The upstream does not take the body as fast as the client sends it. */
  isUpstreamBlocked = false

  constructor(
    exchange: Exchange,
    message: IncomingMessage,
    limit: { readonly maxBytes: number; readonly onTooLarge: () => void },
  ) {
    this.#exchange = exchange
    this.#message = message
    this.#maxBytes = limit.maxBytes
    this.#onTooLarge = limit.onTooLarge
    message.on('data', (chunk: Buffer) => this.#take(chunk))
    message.on('end', () => this.#finish())
  }

  /** See BodySource. */
  start(sink: BodySink): void {
    const exchange = this.#exchange
    this.#sink = sink
    if (exchange.expectsContinue) {
      exchange.expectsContinue = false
      if (exchange.res instanceof ServerResponse) exchange.res.writeContinue()
    }
    const early = this.#early
    this.#early = []
    for (const bytes of early) this.#write(sink, bytes)
    if (this.isComplete) sink.end()
    else if (!this.isUpstreamBlocked) this.#message.resume()
  }

  /** See BodySource. */
  resume(): void {
    if (!this.isUpstreamBlocked) return
    this.isUpstreamBlocked = false
    this.#message.resume()
  }

  /** See BodySource: what is left of the body is read and thrown away; the linger limit ends that. */
  stop(): void {
    this.#isStopped = true
    this.#sink = null
    this.#early = []
    if (!this.isComplete) this.#message.resume()
  }

  #take(bytes: Buffer): void {
    const exchange = this.#exchange
    exchange.bytesReceived += bytes.length
    if (this.#isStopped || exchange.isClosed) return
    exchange.touch()
    if (exchange.bytesReceived > this.#maxBytes) {
      this.#onTooLarge()
    } else if (this.#sink !== null) {
      this.#write(this.#sink, bytes)
    } else {
      this.#early.push(bytes)
      this.#message.pause()
    }
  }

  #write(sink: BodySink, bytes: Buffer): void {
    if (sink.write(bytes)) return
    this.isUpstreamBlocked = true
    this.#message.pause()
  }

  #finish(): void {
    const exchange = this.#exchange
    this.isComplete = true
    if (exchange.phase === 'head')
      exchange.enter('head', exchange.route?.headerTimeoutMs ?? 0, performance.now())
    this.#sink?.end()
  }
}
