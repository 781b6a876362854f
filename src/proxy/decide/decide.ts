import type { Exchange } from '../exchange/exchange.ts'
import { refuse, type DecisionContext, type Refusal } from './context.ts'
import { checkMount } from './mount.ts'
import { checkRules } from './rules.ts'
import { verifyBody } from './signed.ts'
import {
  answerPreflight,
  authenticateClient,
  authorise,
  checkDestination,
  checkHead,
  checkSize,
  checkTarget,
  decideOwn,
  findCredential,
  findFiles,
  findRoute,
  refuseAtEnd,
  refuseLoop,
  takeLimits,
  takeLogPlace,
} from './phases.ts'

/**
 * Whether a request may go on: the phases in the order in which they are asked, of which the first refusal stands. Each
 * fills in the exchange as far as it comes, so that a refusal is attributed as far as the request got. Null means go on,
 * and then the limiter is owed a release. No await, no I/O. A limit's refusal may be one that is not final, see
 * `decideLater`. Why a chain and no loop: decision 0421.
 */
export function decide(exchange: Exchange, context: DecisionContext): Refusal | null {
  return (
    refuseAtEnd(exchange, context) ??
    checkHead(exchange) ??
    checkTarget(exchange) ??
    refuseLoop(exchange, context) ??
    findRoute(exchange, context) ??
    answerPreflight(exchange) ??
    findCredential(exchange) ??
    (exchange.own === null ? decideForwarded(exchange, context) : decideOwn(exchange, context))
  )
}

/** What goes upstream if all of it lets it pass. */
function decideForwarded(exchange: Exchange, context: DecisionContext): Refusal | null {
  return (
    authenticateClient(exchange, context) ??
    authorise(exchange) ??
    findFiles(exchange) ??
    checkSize(exchange) ??
    checkDestination(exchange) ??
    checkMount(exchange) ??
    checkRules(exchange, context) ??
    takeLimits(exchange, context, exchange.startedTick, 'first') ??
    // Here a quota is asked, once there are quotas.
    takeLogPlace(exchange, context)
  )
}

/**
 * What is left of `decide` once all of a signed body is here: who sent it, then the limits of its tenant. Like there, null means go on, and
 * a limit's refusal may be one that is not final.
 */
export function decideSigned(exchange: Exchange, context: DecisionContext, body: Buffer): Refusal | null {
  return (
    verifyBody(exchange, context, body) ??
    takeLimits(exchange, context, performance.now(), 'first') ??
    takeLogPlace(exchange, context)
  )
}

/**
 * Decides again what was refused only for want of a loan of another worker (`mayCome`): with the next news of loans, and for good
 * within 50 ms. `then` is called once, unless the exchange closes before; `fail` is told of what it throws.
 */
export function decideLater(
  exchange: Exchange,
  context: DecisionContext,
  then: (refusal: Refusal | null) => void,
  fail: (error: unknown) => void,
): void {
  const tryAgain = (isLast: boolean): boolean => {
    try {
      if (exchange.isClosed) return true
      const again = decideAgain(exchange, context, isLast ? 'last' : 'first')
      if (again?.limit?.mayCome === true) return false
      then(again)
    } catch (error) {
      fail(error)
    }
    return true
  }
  if (!context.limiter.waiters.add(tryAgain)) tryAgain(true)
}

/** From the limits on; a tunnel for which it is too late by now is refused. */
export function decideAgain(
  exchange: Exchange,
  context: DecisionContext,
  turn: 'first' | 'held' | 'last',
): Refusal | null {
  if (context.isDraining && exchange.asksForTunnel) return refuse('draining', null)
  return takeLimits(exchange, context, performance.now(), turn) ?? takeLogPlace(exchange, context)
}
