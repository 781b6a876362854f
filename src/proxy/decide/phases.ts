import { accessOf } from '../../artifacts/access.ts'
import { ECOSYSTEMS } from '../../artifacts/kinds.ts'
import type { Need } from '../../artifacts/kind.ts'
import { npmPath } from '../../artifacts/aliases/npm-path.ts'
import { heldBefore } from '../../limits/lanes.ts'
import type { Limiter } from '../../limits/limiter.ts'
import { KEY_LENGTH } from '../../model/api-key.ts'
import { repositoryIn } from '../../model/artifact/oci-name.ts'
import type { Route } from '../../model/route.ts'
import { permits, type ScopeSet } from '../../model/scope.ts'
import { asksForFiles, filesPlaceOf } from '../../model/upstream/files-host.ts'
import { tokenPermits, type TokenAccess } from '../../model/token/access-token.ts'
import type { Exchange } from '../exchange/exchange.ts'
import { publicAddress } from '../exchange/public-address.ts'
import { isPreflight } from '../headers/cors.ts'
import { presentedKey } from '../headers/credentials.ts'
import { ownOfRoute } from '../routing/own-roots.ts'
import { isSpecialPath } from '../routing/path-readings.ts'
import { hostName } from '../routing/target.ts'
import { authenticate } from './authenticate.ts'
import { refuse, refuseBy, type DecisionContext, type Refusal } from './context.ts'
import { hasDestination, readDestination } from './destination.ts'
import { readSignature } from './signed.ts'
import { throttle } from './throttle.ts'

/* The phases of `decide`, in its order. Each gives a refusal, or null to go on. */

/** Draining: what comes after an answer that said it was the last; or a tunnel, which a drain would break off at once. */
export function refuseAtEnd(
  { connection, asksForTunnel }: Exchange,
  { isDraining }: DecisionContext,
): Refusal | null {
  return connection.isEnding || (isDraining && asksForTunnel) ? refuse('draining', null) : null
}

/** Head: its size, its framing, and methods that no upstream is asked by. */
export function checkHead({ req, head }: Exchange): Refusal | null {
  if (head.isTooLarge) return refuse('bad_request', 'headers_too_large')
  if (head.isAmbiguous) return refuse('bad_request', 'framing')
  if (req.method === 'CONNECT' || req.method === 'TRACE') return refuse('method_not_allowed', null)
  const isChunkedTooEarly = req.httpVersionMinor === 0 && head.isChunked
  return req.httpVersionMajor !== 1 || isChunkedTooEarly ? refuse('bad_request', 'framing') : null
}

/** Target: readable, and at a host. */
export function checkTarget({ req, head, target }: Exchange): Refusal | null {
  if (target === null) return refuse('bad_request', 'target')
  // RFC 9112 §3.2: an absent Host is only allowed in HTTP/1.0; an invalid one never is, also beside an absolute target.
  const isHostMissing = head.host === null && req.httpVersionMinor > 0
  const isHostInvalid = head.host !== null && head.host !== '' && hostName(head.host) === null
  const isAuthorityInvalid = target.authority !== null && hostName(target.authority) === null
  return isHostMissing || isHostInvalid || isAuthorityInvalid ? refuse('bad_request', 'host') : null
}

/** Loop: a request that went through this gateway before, as its Via field (RFC 9110 §7.6.3: `1.1 pseudonym, …`) tells. */
export function refuseLoop({ head }: Exchange, { via: pseudonym }: DecisionContext): Refusal | null {
  const { via } = head
  if (via === null || !via.includes(pseudonym)) return null
  const isLoop = via.split(',').some((hop) => hop.trim().split(/[ \t]+/)[1] === pseudonym)
  return isLoop ? refuse('loop_detected', null) : null
}

/** Route: by host and path, with the path as the route writes it. */
export function findRoute(exchange: Exchange, { routes }: DecisionContext): Refusal | null {
  const { head, target } = exchange
  const host = hostName(target?.authority ?? head.host ?? '') ?? ''
  let path = target?.path ?? '/'
  let route: Route | null
  const method = exchange.req.method ?? ''
  exchange.own = routes.own.find(method, host, path)
  if (isSpecialPath(path)) {
    const routed = routes.matchSpecial(host, path)
    if (routed === 'ambiguous') return refuse('bad_request', 'path')
    route = routed?.route ?? null
    path = routed?.path ?? path
  } else route = routes.match(host, path)
  exchange.routes = routes
  if (exchange.own !== null) {
    // At the root of its kind: attributed to the route that has the root for its path, if one does.
    exchange.path = path
    if (route?.kind === exchange.own.kind) exchange.route = route
    return null
  }
  if (route === null) return refuse('no_route', null)
  exchange.path = route.kind === 'npm' ? npmPath(route, path) : path
  exchange.route = route
  exchange.own = ownOfRoute(method, route, path)
  return null
}

/** Preflight: of a route with `cors`, answered by the gateway; it bears no credential and needs none. */
export function answerPreflight(exchange: Exchange): Refusal | null {
  return isPreflight(exchange) ? refuse('answered', null) : null
}

/** Credential: the key that the client presents, if any. On a public route too: it is noted, and not asked for. */
export function findCredential(exchange: Exchange): null {
  exchange.credential = presentedKey(exchange.head)
  return null
}

/** Authenticate: whose key it is, by the snapshot in memory. */
export function authenticateClient(exchange: Exchange, context: DecisionContext): Refusal | null {
  const { own, route } = exchange
  const auth = own === null ? route?.auth : own.auth
  if (auth === 'public') return null
  const { directory } = context
  if (directory.snapshot === null) return refuse('not_ready', 'no_snapshot')
  if (auth === 'signature') return readSignature(exchange, context, directory.snapshot)
  const { credential, client, startedAtMs } = exchange
  const audience = takesToken(exchange) ? publicAddress(exchange).host : null
  const result = authenticate(credential, directory.snapshot, client.ip, startedAtMs, audience)
  if (!result.ok) {
    // Nobody's fault, so it does not count as a wrong credential: the key may have been minted since.
    if (result.reason === 'unknown_key' && directory.isStale) return refuse('not_ready', 'stale_snapshot')
    const throttled = throttle(exchange, result.reason, context)
    if (throttled !== null) return throttled
    exchange.key = result.key
    return refuse(result.outcome, result.reason)
  }
  exchange.key = result.key
  exchange.tenant = result.tenant
  exchange.access = result.access
  directory.noteUse(result.key.id)
  return null
}

/** Whether the request may bear a token: only those of clients of registries do. */
function takesToken({ credential, own, route }: Exchange): boolean {
  if (credential === null || credential.text.length <= KEY_LENGTH) return false
  return (route?.kind ?? own?.kind) === 'oci'
}

/** Authorise: the key's scopes permit what the request does on this route. */
export function authorise(exchange: Exchange): Refusal | null {
  const { route, key } = exchange
  if (route === null || key === null) return null
  const permission = permissionOf(exchange, route, key.scopes)
  exchange.mustShowRead = permission === 'by_body'
  if (permission === 'no') return refuse('forbidden', 'scope')
  return exchange.access === null || isCovered(exchange, exchange.access)
    ? null
    : refuse('unauthenticated', 'token_scope')
}

/** Whether the token is for what is asked for: its client may fetch another. */
function isCovered({ req, path }: Exchange, access: readonly TokenAccess[]): boolean {
  const isRead = req.method === 'GET' || req.method === 'HEAD'
  const rest = path.slice('/v2/'.length)
  const name = repositoryIn(rest)
  if (name === null) return rest === '_catalog' && tokenPermits(access, 'registry', 'catalog', '*')
  if (req.method === 'DELETE' && tokenPermits(access, 'repository', name, 'delete')) return true
  return tokenPermits(access, 'repository', name, isRead ? 'pull' : 'push')
}

/** Whether scopes permit the request; `by_body` only if its body shows that it reads. */
export function permissionOf(exchange: Exchange, route: Route, scopes: ScopeSet): 'yes' | 'no' | 'by_body' {
  const need = needOf(exchange, route)
  if (need !== 'read' && permits(scopes, route.name, 'write')) return 'yes'
  if (need === 'write' || !permits(scopes, route.name, 'read')) return 'no'
  return need === 'by_body' ? 'by_body' : 'yes'
}

/** The scope that an exchange's key lacks for its request, as a command takes it (`npm:write`); null when it lacks none. */
export function scopeLacked(exchange: Exchange): string | null {
  const { route, key } = exchange
  if (route === null || key === null) return null
  const need = needOf(exchange, route)
  const mayRead = permits(key.scopes, route.name, 'read')
  const access = need === 'by_body' ? (mayRead ? 'write' : 'read') : need
  return permits(key.scopes, route.name, access) ? null : `${route.name}:${access}`
}

function needOf(exchange: Exchange, route: Route): Need {
  return accessOf(route, {
    method: exchange.req.method ?? '',
    rest: exchange.rest,
    query: exchange.target?.query ?? '',
    head: exchange.head,
    isUpgrade: exchange.asksForTunnel,
  })
}

/** Files: of a host beside the upstream, which the route has to list. Said only to who may use the route. */
export function findFiles(exchange: Exchange): Refusal | null {
  const { route, path } = exchange
  if (route === null || route.files.length === 0 || !asksForFiles(route.path, path)) return null
  exchange.files = filesPlaceOf(route.files, route.path, path)
  return exchange.files === null ? refuse('no_route', 'files_host') : null
}

/**
 * What is answered here: whoever has to, has a key. It takes no rate, as a refusal costs the gateway what the answer does; and what a body
 * says of its client is asked when it is here.
 */
export function decideOwn(exchange: Exchange, context: DecisionContext): Refusal | null {
  if (exchange.own?.answer.by !== 'key') return null
  return authenticateClient(exchange, context) ?? takeLogPlace(exchange, context)
}

/** Size: as far as the head tells it. */
export function checkSize({ head, route }: Exchange): Refusal | null {
  return route !== null && head.contentLength > route.maxBodyBytes ? refuse('body_too_large', null) : null
}

/** Destination: where a COPY or MOVE writes is decided on like where it reads. */
export function checkDestination(exchange: Exchange): Refusal | null {
  if (!hasDestination(exchange)) return null
  const found = readDestination(exchange)
  if (found === 'scope') return refuse('forbidden', found)
  if (typeof found === 'string') return refuse('bad_request', found)
  exchange.destination = found.path
  return null
}

/**
 * Limit: the rates and the number at once, but for a login. What this takes, `Limiter.release` gives back when the exchange closes. A request
 * that may be held is not admitted before those that are. `held` is one of these, which is asked again, and `last` is final.
 */
export function takeLimits(
  exchange: Exchange,
  { limiter }: DecisionContext,
  tick: number,
  turn: 'first' | 'held' | 'last',
): Refusal | null {
  const { tenant, key, route } = exchange
  if (tenant === null || route === null || exchange.isLogin) return null
  const isLast = turn === 'last'
  if (turn === 'first' && limiter.holds.size > 0 && mayBeHeld(exchange, limiter)) {
    const policy = heldBefore(limiter.holds, { tenant, key, route })
    if (policy !== null) return refuseBy({ policy, ...BEHIND_OTHERS })
  }
  const limit = limiter.admit(tenant, key, route, tick, isLast)
  if (limit === null) {
    exchange.isAdmitted = true
    return null
  }
  if (!isLast && limit.mayCome !== true) {
    if (mayBeHeld(exchange, limiter)) return refuseBy({ ...limit, mayCome: true })
    limiter.noteRefusal(limit)
  }
  return refuseBy(limit)
}

function mayBeHeld(exchange: Exchange, { holds }: Limiter): boolean {
  return holds.isOn && holdMsOf(exchange) > 0
}

/** Not final, so that nobody is told. */
const BEHIND_OTHERS = {
  quota: 0,
  windowSeconds: 0,
  remaining: 0,
  retryAfterSeconds: 1,
  mayCome: true,
} as const

/** How long a request over its rate may be held: one that reads, as its route says or its kind has it. 0 for not at all. */
export function holdMsOf(exchange: Exchange): number {
  const { route } = exchange
  if (route === null || exchange.asksForTunnel) return 0
  const holdMs = route.holdMs ?? ECOSYSTEMS[route.kind].holdMs
  return holdMs > 0 && needOf(exchange, route) === 'read' ? holdMs : 0
}

/** Log place: of a tenant with the policy `strict`. Last of all, so that no place is promised to what is refused anyway. */
export function takeLogPlace(exchange: Exchange, { sink }: DecisionContext): Refusal | null {
  const { tenant } = exchange
  if (tenant?.logPolicy !== 'strict') return null
  const reason = sink.reserve(tenant.slug)
  if (reason !== null) return refuse('log_unavailable', reason)
  exchange.isReserved = true
  return null
}
