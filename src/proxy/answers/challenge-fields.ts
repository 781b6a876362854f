import { ECOSYSTEMS } from '../../artifacts/kinds.ts'
import type { Reason } from '../../model/outcome.ts'
import { publicAddress } from '../exchange/public-address.ts'
import type { Exchange } from '../exchange/exchange.ts'
import { hostName } from '../routing/target.ts'

/** Fields by which a 401 asks for credentials, in the way of the route's kind: name, value, …. */
export function challengeFields(
  exchange: Exchange,
  sentence: string,
  reason: Reason | null,
): readonly string[] {
  const { head, own, req, route, routes, target } = exchange
  const kind = route?.kind ?? own?.kind ?? 'generic'
  const { base, host } = publicAddress(exchange)
  const asked = hostName(target?.authority ?? head.host ?? '') ?? ''
  return ECOSYSTEMS[kind].challenge({
    sentence,
    method: req.method ?? '',
    path: exchange.path,
    base,
    service: host,
    hasPublic: routes?.own.hasPublic(kind, asked) ?? false,
    tokenError: tokenErrorOf(reason),
  })
}

/** RFC 6750 §3.1: alike for all that can be wrong with a token itself. */
function tokenErrorOf(reason: Reason | null): 'invalid_token' | 'insufficient_scope' | null {
  if (reason === 'token_scope') return 'insufficient_scope'
  return reason?.startsWith('token_') === true ? 'invalid_token' : null
}
