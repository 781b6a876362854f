import type { IncomingMessage } from 'node:http'
import { ServerResponse } from 'node:http'
import type { Outcome, Reason } from '../model/outcome.ts'
import type { Carrier, Exchange } from './exchange/exchange.ts'

/** What is told when the body is there, or will not be. */
export interface WholeBodyOwner {
  /** A longer body, or one of unknown length, is refused for want of a scope that writes. */
  readonly maxBytes: number
  onBody(body: Buffer): void
  onFailure(outcome: Outcome, reason: Reason | null): void
}

/** Holds a small body back until it is whole. One per exchange, and only where the body decides what the request does. */
export class WholeBody implements Carrier {
  readonly #owner: WholeBodyOwner
  readonly #chunks: Buffer[] = []
  #isDone = false

  constructor(exchange: Exchange, message: IncomingMessage, owner: WholeBodyOwner) {
    this.#owner = owner
    const { contentLength } = exchange.head
    if (contentLength > owner.maxBytes || contentLength < 0) {
      this.#isDone = true
      owner.onFailure('forbidden', 'scope')
      return
    }
    exchange.carrier = this
    exchange.enter('head', exchange.route?.idleTimeoutMs ?? 0, performance.now())
    if (exchange.expectsContinue) {
      exchange.expectsContinue = false
      if (exchange.res instanceof ServerResponse) exchange.res.writeContinue()
    }
    message.on('data', (chunk: Buffer) => {
      if (this.#isDone) return
      exchange.touch()
      this.#chunks.push(chunk)
    })
    message.once('end', () => {
      if (this.#isDone) return
      this.#isDone = true
      owner.onBody(Buffer.concat(this.#chunks))
    })
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
