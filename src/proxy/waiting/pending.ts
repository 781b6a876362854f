import type { Outcome, Reason } from '../../model/outcome.ts'
import { answerRefusal } from '../answers/own-answers.ts'
import type { Carrier, Exchange } from '../exchange/exchange.ts'

/** Carries a request while something else is asked about it that takes a bounded time, and cannot be called back. */
export class Pending implements Carrier {
  readonly #exchange: Exchange

  constructor(exchange: Exchange) {
    this.#exchange = exchange
    exchange.carrier = this
    // Who is asked bounds the time.
    exchange.enter('head', 0, performance.now())
  }

  /** Its client has gone, or was answered already: what comes of it is nobody's. */
  get isOver(): boolean {
    return this.#exchange.isClosed || this.#exchange.res.headersSent
  }

  /** See Carrier: `isOver` tells. */
  cancel(): void {}

  /** See Carrier. */
  timeOut(): void {}

  /** See Carrier. */
  stop(outcome: Outcome, reason: Reason | null): void {
    if (!this.isOver) answerRefusal(this.#exchange, outcome, reason)
  }
}
