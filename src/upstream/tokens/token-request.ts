import type { Route } from '../../model/route.ts'
import { isFollowed } from '../../model/upstream/follow-rules.ts'
import type { TokenRules } from '../../model/upstream/token-rules.ts'
import type { HostStanding, UpstreamRequest } from '../request.ts'
import type { Challenge } from './challenge.ts'

/** Holds places for what is the gateway's own; no tenant's name has a blank. */
const HOLDER = 'upstream tokens'
const MAX_REALM = 2048

/**
 * The request for a token that an upstream at `origin` wants; null where its realm is nobody to ask. The realm is the upstream's word
 * alone: the route's credentials go to the upstream's own origin and to listed hosts, and what is neither is asked without any, by https
 * only.
 */
export function tokenRequest(
  route: Route,
  rules: TokenRules,
  origin: string,
  { realm, service, scope }: Challenge,
): UpstreamRequest | null {
  if (realm.length > MAX_REALM || !/^https?:\/\//i.test(realm) || !URL.canParse(realm)) return null
  const url = new URL(realm)
  if (url.username !== '' || url.password !== '') return null
  const standing = standingOf(route, rules, { origin, url })
  if (standing === 'stranger' && url.protocol !== 'https:') return null
  if (service !== '') url.searchParams.append('service', service)
  for (const one of scope.split(' ')) if (one !== '') url.searchParams.append('scope', one)
  // The upstream's own in the upstream's spelling, so that it goes by the pool that there is.
  const to = standing === 'upstream' ? origin : url.origin
  return getRequest(route, { origin: to, path: url.pathname + url.search, standing })
}

/** A GET of the gateway's own, with the credentials that a host of this standing may have. */
export function getRequest(
  route: Route,
  to: Pick<UpstreamRequest, 'origin' | 'path' | 'standing'>,
): UpstreamRequest {
  const headers = ['accept', 'application/json', 'accept-encoding', 'identity', 'user-agent', 'waybill']
  const { authorization } = route.upstream
  if (to.standing !== 'stranger' && authorization !== null) headers.push('authorization', authorization)
  if (to.standing === 'upstream') headers.push(...route.rules.headers.set)
  return {
    ...to,
    route,
    holder: HOLDER,
    tick: performance.now(),
    notes: null,
    asked: null,
    method: 'GET',
    headers,
    contentLength: -1,
    host: null,
    isBoundToConnection: false,
    body: null,
  }
}

/** A registry that makes its realm of the Host field names the address that answered, of several. */
function standingOf(
  { upstream }: Route,
  rules: TokenRules,
  { origin, url }: { readonly origin: string; readonly url: URL },
): HostStanding {
  const own = [origin, ...(upstream.origins ?? [])]
  if (own.some((one) => URL.canParse(one) && new URL(one).origin === url.origin)) return 'upstream'
  return isFollowed(rules, url) ? 'sibling' : 'stranger'
}
