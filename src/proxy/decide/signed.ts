import { verifySignature } from '../../integrations/verify-signature.ts'
import type { Exchange } from '../exchange/exchange.ts'
import { publicAddress } from '../exchange/public-address.ts'
import { refuse, type DecisionContext, type Refusal } from './context.ts'
import { takeLimits, takeLogPlace, throttle } from './phases.ts'

/** Whether an exchange waits for its body, since its sender is known by that. */
export function mustBeVerified({ route, isVerified }: Exchange): boolean {
  return route !== null && route.signature !== null && !isVerified
}

/**
 * What is left of `decide` once all of a signed body is here: who sent it, then the limits of its tenant. Like there, null means go on, and
 * a limit's refusal may be one that is not final. A request that is not signed is nobody's: it takes no tenant's rate.
 */
export function decideSigned(exchange: Exchange, context: DecisionContext, body: Buffer): Refusal | null {
  return (
    authenticateSender(exchange, context, body) ??
    takeLimits(exchange, context, performance.now(), false) ??
    takeLogPlace(exchange, context)
  )
}

function authenticateSender(exchange: Exchange, context: DecisionContext, body: Buffer): Refusal | null {
  const { route, req, head, startedAtMs } = exchange
  const { snapshot, isStale } = context.directory
  const rules = route?.signature ?? null
  if (rules === null) return refuse('internal', null)
  if (snapshot === null) return refuse('not_ready', 'no_snapshot')
  const request = {
    rawHeaders: req.rawHeaders,
    contentType: head.contentType,
    body,
    url: () => addressOf(exchange),
  }
  const fault = verifySignature(rules, request, startedAtMs)
  if (fault !== null) return throttle(exchange, fault, context) ?? refuse('unauthenticated', fault)
  const tenant = snapshot.tenants.get(rules.tenant)
  if (tenant === undefined && isStale) return refuse('not_ready', 'stale_snapshot')
  if (tenant === undefined || tenant.state === 'deleted') return refuse('unauthenticated', 'deleted')
  if (tenant.state === 'suspended') return refuse('tenant_suspended', 'suspended')
  exchange.tenant = tenant
  exchange.isVerified = true
  return null
}

function addressOf(exchange: Exchange): string | null {
  const { base } = publicAddress(exchange)
  const { target } = exchange
  return base === null || target === null ? null : base + target.path + target.query
}
