import type { Held, Verdict } from '../../limits/hold-queue.ts'
import { laneOf } from '../../limits/lanes.ts'
import type { LimitRefusal } from '../../limits/limiter.ts'
import type { Outcome, Reason } from '../../model/outcome.ts'
import { answerRefusal } from '../answers/own-answers.ts'
import type { DecisionContext, Refusal } from '../decide/context.ts'
import { decideAgain } from '../decide/decide.ts'
import { holdMsOf } from '../decide/phases.ts'
import type { Carrier, Exchange } from '../exchange/exchange.ts'

/** What is done with a request that was held. */
export interface AfterHold {
  /** Acts on a decision that is final. */
  act(refusal: Refusal | null): void
  fail(error: unknown): void
}

/**
 * Holds a request that a limit would refuse until the limit lets it pass, its route's `holdMs` at most, so that a build waits where it would
 * fail. False for one that may not be held, or for which there is no room, and that another worker may help.
 */
export function hold(
  exchange: Exchange,
  limit: LimitRefusal,
  context: DecisionContext,
  after: AfterHold,
): boolean {
  const { holds, isShared } = context.limiter
  const holdMs = holds.isOn ? holdMsOf(exchange) : 0
  if (holdMs === 0) return false
  const held = new HeldExchange(exchange, holds.nowMs() + holdMs, context, after)
  const lane = held.laneBy(limit)
  if (lane !== null && holds.join(held, lane)) held.begin()
  else if (isShared) return false
  else after.act(decideAgain(exchange, context, 'last'))
  return true
}

/** A request while it is held. */
class HeldExchange implements Held, Carrier {
  readonly tenant: string
  readonly untilMs: number
  readonly #exchange: Exchange
  readonly #context: DecisionContext
  readonly #after: AfterHold
  #sinceTick = 0

  constructor(exchange: Exchange, untilMs: number, context: DecisionContext, after: AfterHold) {
    this.tenant = exchange.tenant?.slug ?? ''
    this.untilMs = untilMs
    this.#exchange = exchange
    this.#context = context
    this.#after = after
  }

  begin(): void {
    this.#sinceTick = performance.now()
    this.#exchange.carrier = this
    // The queue ends it; until then it was sent nowhere.
    this.#exchange.enter('queued', 0, this.#sinceTick)
  }

  /** The lane in which a refused request waits; null for one that has no tenant or route any more. */
  laneBy({ policy }: LimitRefusal): string | null {
    const { tenant, key, route } = this.#exchange
    return tenant === null || route === null ? null : laneOf(policy, { tenant, key, route })
  }

  /** See Held. */
  tryAgain(isLast: boolean): Verdict {
    const exchange = this.#exchange
    if (exchange.isClosed || exchange.hasEnding) return 'gone'
    try {
      this.#takeNews()
      const again = decideAgain(exchange, this.#context, isLast ? 'last' : 'held')
      const lane = again?.limit?.mayCome === true ? this.laneBy(again.limit) : null
      if (lane !== null) return { lane }
      this.#endHold()
      this.#after.act(again)
      return again === null ? 'admitted' : 'refused'
    } catch (error) {
      this.#after.fail(error)
      return 'gone'
    }
  }

  /** Limits may have been changed since it came. */
  #takeNews(): void {
    const exchange = this.#exchange
    const { snapshot } = this.#context.directory
    if (snapshot === null) return
    exchange.tenant = snapshot.tenants.get(this.tenant) ?? exchange.tenant
    if (exchange.key !== null) exchange.key = snapshot.keyById(exchange.key.id) ?? exchange.key
  }

  #endHold(): void {
    const exchange = this.#exchange
    const tick = performance.now()
    exchange.heldMs = tick - this.#sinceTick
    exchange.carrier = null
    exchange.enter('deciding', 0, tick)
  }

  /** See Carrier. */
  cancel(): void {
    this.#exchange.heldMs = performance.now() - this.#sinceTick
    this.#context.limiter.holds.leave(this)
  }

  /** See Carrier. Its queue has the time. */
  timeOut(): void {}

  /** See Carrier. */
  stop(outcome: Outcome, reason: Reason | null): void {
    if (!this.#exchange.isClosed && !this.#exchange.res.headersSent)
      answerRefusal(this.#exchange, outcome, reason)
  }
}
