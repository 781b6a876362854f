import { verifyHead } from '../../integrations/verify-signature.ts'
import type { Snapshot } from '../../model/grant.ts'
import type { SignatureFault } from '../../model/integration/signature-rules.ts'
import type { Exchange } from '../exchange/exchange.ts'
import { publicAddress } from '../exchange/public-address.ts'
import { servedTenant } from './authenticate.ts'
import { refuse, type DecisionContext, type Refusal } from './context.ts'
import { throttle } from './throttle.ts'

/** Whether an exchange waits for its body, since its sender is known by that. */
export function mustBeVerified({ bodyCheck, isVerified }: Exchange): boolean {
  return bodyCheck !== null && !isVerified
}

/**
 * Who sends, by what the head tells of it. Of most senders it tells that they cannot be believed, or sets the check of the body that has to
 * come: null then, as for a sender that is known. A request that is not signed is nobody's: it takes no tenant's rate.
 */
export function readSignature(
  exchange: Exchange,
  context: DecisionContext,
  snapshot: Snapshot,
): Refusal | null {
  const { route, req, head, startedAtMs } = exchange
  const rules = route?.signature ?? null
  if (rules === null) return refuse('internal', null)
  const signed = {
    rawHeaders: req.rawHeaders,
    contentType: head.contentType,
    url: () => addressOf(exchange),
  }
  const verdict = verifyHead(rules, signed, startedAtMs)
  if (verdict === 'verified') return takeSender(exchange, context, snapshot)
  if (typeof verdict === 'string') return notSigned(exchange, context, verdict)
  exchange.bodyCheck = verdict
  return null
}

/** Who sent what has come, by all of its body. */
export function verifyBody(exchange: Exchange, context: DecisionContext, body: Buffer): Refusal | null {
  const { snapshot } = context.directory
  const fault = exchange.bodyCheck?.verdict(body) ?? null
  if (snapshot === null) return refuse('not_ready', 'no_snapshot')
  return fault === null ? takeSender(exchange, context, snapshot) : notSigned(exchange, context, fault)
}

function takeSender(exchange: Exchange, { directory }: DecisionContext, snapshot: Snapshot): Refusal | null {
  const slug = exchange.route?.signature?.tenant ?? ''
  if (directory.isStale && snapshot.tenants.get(slug) === undefined)
    return refuse('not_ready', 'stale_snapshot')
  const tenant = servedTenant(snapshot, slug)
  if ('reason' in tenant) return refuse(tenant.outcome, tenant.reason)
  exchange.tenant = tenant
  exchange.isVerified = true
  return null
}

function notSigned(exchange: Exchange, context: DecisionContext, fault: SignatureFault): Refusal {
  return throttle(exchange, fault, context) ?? refuse('unauthenticated', fault)
}

function addressOf(exchange: Exchange): string | null {
  const { base } = publicAddress(exchange)
  const { target } = exchange
  return base === null || target === null ? null : base + target.path + target.query
}
