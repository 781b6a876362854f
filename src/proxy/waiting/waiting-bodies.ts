import { isReadBody } from '../../artifacts/access.ts'
import { ECOSYSTEMS } from '../../artifacts/kinds.ts'
import type { Route } from '../../model/route.ts'
import { sourceOf } from '../../model/source-network.ts'
import { answerRefusal } from '../answers/own-answers.ts'
import { refuse, type DecisionContext, type Refusal } from '../decide/context.ts'
import { decideSigned } from '../decide/decide.ts'
import { mustBeVerified } from '../decide/signed.ts'
import type { ClientBody } from '../exchange/client.ts'
import type { Exchange } from '../exchange/exchange.ts'
import type { HeldShares } from './held-shares.ts'
import { WholeBody } from './whole-body.ts'

const NO_BODY = Buffer.alloc(0)

/** Decides now that a body is here, and acts on it: null means go on. */
type Settle = (exchange: Exchange, decide: () => Refusal | null) => void

/** Requests that were let pass as far as their heads tell, and whose bodies decide: who sent them, or whether they only read. */
export class WaitingBodies {
  readonly #context: DecisionContext
  readonly #settle: Settle
  readonly #shares: HeldShares

  constructor(context: DecisionContext, shares: HeldShares, settle: Settle) {
    this.#context = context
    this.#shares = shares
    this.#settle = settle
  }

  /** Whether the request's body decides: then it is settled when all of it is here. */
  take(exchange: Exchange): boolean {
    const { body, route } = exchange
    if (route === null) return false
    if (mustBeVerified(exchange)) {
      if (body === null || Buffer.isBuffer(body)) {
        if (body !== null) exchange.bodyCheck?.update(body)
        this.#decideSigned(exchange, body ?? NO_BODY)
      } else this.#verify(exchange, body, route)
      return true
    }
    if (!exchange.mustShowRead) return false
    if (body !== null && !Buffer.isBuffer(body)) {
      this.#readWhole(exchange, body, route)
      return true
    }
    if (body !== null && isReadBody(route, body)) return false
    answerRefusal(exchange, 'forbidden', 'scope')
    return true
  }

  #decideSigned(exchange: Exchange, body: Buffer): void {
    this.#settle(exchange, () => {
      const refusal = decideSigned(exchange, this.#context, body)
      const { held, isVerified, tenant } = exchange
      const hasRoom = held === null || !isVerified || held.pass(tenant?.slug ?? '')
      return refusal ?? (hasRoom ? null : refuse('overloaded', 'bodies_full'))
    })
  }

  #verify(exchange: Exchange, body: ClientBody, { maxBodyBytes, idleTimeoutMs }: Route): void {
    const held = this.#shares.open(sourceOf(exchange.client.ip))
    exchange.held = held
    void new WholeBody(exchange, body, {
      maxBytes: maxBodyBytes,
      limitMs: idleTimeoutMs,
      hold: (bytes) => {
        if (!held.take(bytes.length)) return false
        exchange.bodyCheck?.update(bytes)
        return true
      },
      onNoRoom: () => answerRefusal(exchange, 'overloaded', 'bodies_full'),
      onTooLong: () => answerRefusal(exchange, 'body_too_large', null),
      onBody: (whole) => {
        exchange.body = whole
        this.#decideSigned(exchange, whole)
      },
    })
  }

  #readWhole(exchange: Exchange, body: ClientBody, { kind, idleTimeoutMs }: Route): void {
    // One of unknown length is not waited for.
    if (exchange.head.contentLength < 0) {
      answerRefusal(exchange, 'forbidden', 'scope')
      return
    }
    void new WholeBody(exchange, body, {
      maxBytes: ECOSYSTEMS[kind].access.ofBody?.maxBytes ?? 0,
      limitMs: idleTimeoutMs,
      onTooLong: () => answerRefusal(exchange, 'forbidden', 'scope'),
      onBody: (whole) => {
        exchange.body = whole
        this.#settle(exchange, () => null)
      },
    })
  }
}
