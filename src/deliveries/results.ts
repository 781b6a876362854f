import { backoffMs } from '../lib/time/backoff.ts'
import type { DeliverRules } from '../model/delivery/deliver-rules.ts'
import { isSuccess, type AttemptEnd } from './attempt.ts'
import type { Lease, Result } from './delivery-store.ts'
import type { Batch } from './route-queue.ts'

/** RFC 9110 §15.5.11: it is gone, and stays so. */
const GONE = 410
/** Longest wait that a receiver may ask for. */
const MAX_RETRY_AFTER_MS = 86_400_000

/** What an attempt's end makes of a call. */
export type Verdict =
  | { readonly state: 'delivered' | 'dead' }
  | { readonly state: 'waiting'; readonly delayMs: number }

/**
 * Statuses 2xx are delivered; 410 and those that the route calls permanent are not tried again; all else is, until as many attempts have
 * failed as the route allows. A receiver's Retry-After is the least wait.
 */
export function verdictOf(
  end: AttemptEnd,
  attempt: number,
  rules: DeliverRules,
  random: () => number,
): Verdict {
  if (end.reason === null && isSuccess(end.status)) return { state: 'delivered' }
  const { max, minMs, maxMs } = rules.retries
  const isPermanent = end.status !== null && (end.status === GONE || rules.permanent.includes(end.status))
  if (isPermanent || attempt > max) return { state: 'dead' }
  const wishedMs = Math.min(end.retryAfterMs ?? 0, MAX_RETRY_AFTER_MS)
  return { state: 'waiting', delayMs: Math.max(wishedMs, backoffMs(attempt - 1, minMs, maxMs, random)) }
}

/** Whether others would meet the same failure: the breaker counts it. An answer below 500 is of a receiver that is well. */
export function isReceiverFailure({ status }: AttemptEnd): boolean {
  return status === null || status >= 500 || status === 429
}

/** What is to be noted of all that a call stood for. */
export function resultsOf(batch: Batch, lease: Lease, end: AttemptEnd, verdict: Verdict): Result[] {
  return batch.all.map((item) => {
    const isMerged = item !== batch.item
    return {
      route: lease.route,
      epoch: lease.epoch,
      seq: item.seq,
      id: item.id,
      receivedAtMs: item.receivedAtMs,
      state: verdict.state === 'delivered' && isMerged ? 'coalesced' : verdict.state,
      attempts: batch.attempt,
      delayMs: verdict.state === 'waiting' ? verdict.delayMs : 0,
      status: end.status,
      reason: end.reason,
      intoId: isMerged && verdict.state !== 'waiting' ? batch.item.id : null,
    }
  })
}
