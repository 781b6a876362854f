import type { Reason } from '../../model/outcome.ts'
import { sourceOf } from '../../model/source-network.ts'
import type { Exchange } from '../exchange/exchange.ts'
import { refuse, refuseBy, type DecisionContext, type Refusal } from './context.ts'

/** Nothing was presented, or what was good a while ago. */
const BLAMELESS: ReadonlySet<Reason> = new Set([
  'missing_key',
  'token_expired',
  'token_unknown_key',
  'missing_signature',
  'stale_signature',
])

/**
 * Counts credentials that were presented and are wrong; beyond its number a source is told nothing else, and its requests are
 * no tenant's: a stranger with an expired key runs up nobody's usage. Valid keys never get here, and whose address nobody knows
 * is not counted: one bucket for all such clients would be everybody's.
 */
export function throttle(
  { client, startedTick, isLogin }: Exchange,
  reason: Reason,
  { limiter }: DecisionContext,
): Refusal | null {
  if (client.ip === '' || BLAMELESS.has(reason)) return null
  const limit = limiter.noteFailure(sourceOf(client.ip), startedTick)
  if (limit === null) return null
  // No client goes on after a login's 429, so it is told what it would be told of any wrong key.
  return isLogin ? refuse('unauthenticated', 'auth_throttled') : refuseBy(limit)
}
