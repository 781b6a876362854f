import type { BodySink, BodySource } from '../http/body.ts'
import type { ClientBody } from './exchange/client.ts'
import type { Exchange } from './exchange/exchange.ts'

/** Who is told of an upload. */
export interface UploadOwner {
  /** It has more bytes than its route takes. */
  onTooLarge(): void
}

/**
 * A request's body on its way upstream: counted, bounded, and a sign of life. Stands between the client's body and the upstream, so
 * that an upstream that answers early and closes stops this and not the client's connection: the early answer still gets through
 * (the failure of proxies that pipe the message itself: EPIPE eats the 413).
 *
 * Not a stream: what brings the body is one, and so is the socket that it goes to. A client whose upstream does not read has at most
 * two reads of 64 KiB in here: one that the socket has not taken, and one that came before the client was held back.
 */
export class Upload implements BodySource, BodySink {
  readonly #exchange: Exchange
  readonly #body: ClientBody
  readonly #owner: UploadOwner
  readonly #maxBytes: number
  #sink: BodySink | null = null
  /** What came before there was a sink. */
  #early: Buffer[] = []
  #isStopped = false
  /** All of the client's body has arrived. */
  isComplete = false
  /** The upstream does not take the body as fast as the client sends it. */
  isUpstreamBlocked = false

  constructor(exchange: Exchange, body: ClientBody, owner: UploadOwner) {
    this.#exchange = exchange
    this.#body = body
    this.#owner = owner
    this.#maxBytes = exchange.route?.maxBodyBytes ?? 0
    body.start(this)
  }

  /** See BodySource. */
  start(sink: BodySink): void {
    this.#sink = sink
    this.#exchange.askForBody()
    const early = this.#early
    this.#early = []
    for (const bytes of early) this.#pass(sink, bytes)
    if (this.isComplete) sink.end()
    else if (!this.isUpstreamBlocked) this.#body.resume()
  }

  /** See BodySource. */
  resume(): void {
    if (!this.isUpstreamBlocked) return
    this.isUpstreamBlocked = false
    this.#body.resume()
  }

  /** See BodySource: what is left of the body is read, counted and thrown away; the linger limit ends that. */
  stop(): void {
    this.#isStopped = true
    this.#sink = null
    this.#early = []
    if (!this.isComplete) this.#body.resume()
  }

  /** See BodySink. */
  write(bytes: Buffer): boolean {
    const exchange = this.#exchange
    exchange.bytesReceived += bytes.length
    if (this.#isStopped || exchange.isClosed) return true
    exchange.touch()
    if (exchange.bytesReceived > this.#maxBytes) {
      this.#owner.onTooLarge()
      return true
    }
    if (this.#sink !== null) return this.#pass(this.#sink, bytes)
    this.#early.push(bytes)
    return false
  }

  /** See BodySink. */
  end(): void {
    const exchange = this.#exchange
    this.isComplete = true
    if (exchange.phase === 'head')
      exchange.enter('head', exchange.route?.headerTimeoutMs ?? 0, performance.now())
    this.#sink?.end()
  }

  #pass(sink: BodySink, bytes: Buffer): boolean {
    if (sink.write(bytes)) return true
    this.isUpstreamBlocked = true
    return false
  }
}
