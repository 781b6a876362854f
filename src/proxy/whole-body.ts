import type { BodySink } from '../http/body.ts'
import type { Outcome, Reason } from '../model/outcome.ts'
import type { ClientBody } from './exchange/client.ts'
import type { Carrier, Exchange } from './exchange/exchange.ts'

/** What is told when the body is there, or will not be. */
export interface WholeBodyOwner {
  /** A longer body, or one of unknown length, is refused for want of a scope that writes. */
  readonly maxBytes: number
  onBody(body: Buffer): void
  onFailure(outcome: Outcome, reason: Reason | null): void
}

/** Holds a small body back until it is whole. One per exchange, and only where the body decides what the request does. */
export class WholeBody implements Carrier, BodySink {
  readonly #exchange: Exchange
  readonly #owner: WholeBodyOwner
  readonly #chunks: Buffer[] = []
  #isDone = false

  constructor(exchange: Exchange, body: ClientBody, owner: WholeBodyOwner) {
    this.#exchange = exchange
    this.#owner = owner
    const { contentLength } = exchange.head
    if (contentLength > owner.maxBytes || contentLength < 0) {
      this.#isDone = true
      owner.onFailure('forbidden', 'scope')
      return
    }
    exchange.carrier = this
    exchange.enter('head', exchange.route?.idleTimeoutMs ?? 0, performance.now())
    exchange.askForBody()
    body.start(this)
  }

  /** See BodySink. */
  write(bytes: Buffer): boolean {
    if (!this.#isDone) {
      this.#exchange.touch()
      this.#chunks.push(bytes)
    }
    return true
  }

  /** See BodySink. */
  end(): void {
    if (this.#isDone) return
    this.#isDone = true
    this.#owner.onBody(Buffer.concat(this.#chunks))
  }

  /** See Carrier. */
  cancel(): void {
    this.#isDone = true
  }

  /** See Carrier. */
  timeOut(): void {
    if (this.#isDone) return
    this.#isDone = true
    this.#owner.onFailure('bad_request', 'body_timeout')
  }

  /** See Carrier. */
  stop(outcome: Outcome, reason: Reason | null): void {
    if (this.#isDone) return
    this.#isDone = true
    this.#owner.onFailure(outcome, reason)
  }
}
