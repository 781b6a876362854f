import { HeldBytes } from '../../http/held-bytes.ts'
import type { BodySink } from '../../http/body.ts'
import type { Outcome, Reason } from '../../model/outcome.ts'
import { answerRefusal } from '../answers/own-answers.ts'
import type { ClientBody } from '../exchange/client.ts'
import type { Carrier, Exchange } from '../exchange/exchange.ts'

/** What is told when the body is there, or will not be for what it is: one of them, once. Why else it does not come is answered here. */
export interface WholeBodyOwner {
  /** A longer body is not waited for. */
  readonly maxBytes: number
  /** Longest time from the head to the body's end; 0 for none. */
  readonly limitMs: number
  onBody(body: Buffer): void
  onTooLong(): void
  /** Whether these may be held too, and they are counted; without it any number up to `maxBytes` may. */
  hold?(bytes: Buffer): boolean
  /** They may not. */
  onNoRoom?(): void
}

/** Holds a small body back until it is whole. One per exchange, and only where the body decides what becomes of the request. */
export class WholeBody implements Carrier, BodySink {
  readonly #exchange: Exchange
  readonly #owner: WholeBodyOwner
  readonly #held: HeldBytes
  #isDone = false

  constructor(exchange: Exchange, body: ClientBody, owner: WholeBodyOwner) {
    this.#owner = owner
    const { contentLength } = exchange.head
    this.#exchange = exchange
    // Of a length that is told not twice the room is taken.
    this.#held = new HeldBytes(
      contentLength >= 0 ? Math.min(contentLength, owner.maxBytes) + 1 : owner.maxBytes + 1,
    )
    if (contentLength > owner.maxBytes) {
      this.#isDone = true
      owner.onTooLong()
      return
    }
    exchange.carrier = this
    exchange.enter('head', owner.limitMs, performance.now())
    exchange.askForBody()
    body.start(this)
  }

  /** See BodySink. */
  write(bytes: Buffer): boolean {
    if (this.#isDone) return true
    this.#exchange.bytesReceived += bytes.length
    if (this.#owner.hold?.(bytes) === false) {
      this.#finish()
      this.#owner.onNoRoom?.()
      return true
    }
    this.#held.append(bytes, 0)
    if (this.#held.isFull) {
      this.#finish()
      this.#owner.onTooLong()
    }
    return true
  }

  /** See BodySink. */
  end(): void {
    if (this.#isDone) return
    const body = this.#held.view()
    this.#finish()
    this.#owner.onBody(body)
  }

  /** See Carrier. */
  cancel(): void {
    this.#finish()
  }

  /** See Carrier. */
  timeOut(): void {
    this.stop('bad_request', 'body_timeout')
  }

  /** See Carrier. */
  stop(outcome: Outcome, reason: Reason | null): void {
    if (this.#isDone) return
    this.#finish()
    answerRefusal(this.#exchange, outcome, reason)
  }

  /** What came may be a secret: it is let go of. */
  #finish(): void {
    this.#isDone = true
    this.#held.clear()
  }
}
