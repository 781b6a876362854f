import type { KeyGrant, TenantGrant } from '../model/grant.ts'
import type { Route } from '../model/route.ts'
import type { LimitPolicy } from '../model/stats.ts'
import type { HoldQueue } from './hold-queue.ts'

/** Whose request it is, and where it goes. */
export interface LimitedRequest {
  readonly tenant: TenantGrant
  readonly key: KeyGrant | null
  readonly route: Route
}

/** Policies whose refusals pass with time. */
const PASSING = ['tenant_concurrency', 'tenant_rate', 'key_rate', 'route_rate'] as const

/** The name of the lane in which a request waits that a policy has refused. */
export function laneOf(policy: LimitPolicy, { tenant, key, route }: LimitedRequest): string {
  if (policy === 'key_rate') return `k ${key?.id ?? ''}`
  if (policy === 'route_rate') return `r ${tenant.slug} ${route.name}`
  return `${policy === 'tenant_rate' ? 't' : 'c'} ${tenant.slug}`
}

/** The policy for which others of the same bucket are held: who comes now is behind them. Null for none. */
export function heldBefore(holds: HoldQueue, request: LimitedRequest): LimitPolicy | null {
  return PASSING.find((policy) => holds.hasLane(laneOf(policy, request))) ?? null
}
