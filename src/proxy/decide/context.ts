import type { Limiter, LimitRefusal } from '../../limits/limiter.ts'
import type { EntrySink } from '../../model/access-entry.ts'
import type { Directory } from '../../model/grant.ts'
import type { Outcome, Reason } from '../../model/outcome.ts'
import type { RouteTable } from '../routing/route-table.ts'

/** What a decision is made from: all of it in memory. */
export interface DecisionContext {
  readonly routes: RouteTable
  readonly directory: Directory
  readonly limiter: Limiter
  readonly sink: EntrySink
  readonly isDraining: boolean
  /** This gateway's pseudonym in Via. */
  readonly via: string
}

/** Why a request goes no further. */
export interface Refusal {
  readonly outcome: Outcome
  readonly reason: Reason | null
  readonly limit: LimitRefusal | null
}

/** A refusal by anything but a limit. */
export function refuse(outcome: Outcome, reason: Reason | null): Refusal {
  return { outcome, reason, limit: null }
}

/** A refusal by a limit, which has a name of its own among the reasons. */
export function refuseBy(limit: LimitRefusal): Refusal {
  return { outcome: 'rate_limited', reason: limit.policy, limit }
}
