import { accessOf } from '../../artifacts/access.ts'
import type { EntrySink } from '../../model/access-entry.ts'
import type { Directory } from '../../model/grant.ts'
import type { Outcome, Reason } from '../../model/outcome.ts'
import { permits, type ScopeSet } from '../../model/scope.ts'
import type { Route } from '../../model/route.ts'
import type { LimitRefusal, Limiter } from '../../limits/limiter.ts'
import { authenticate } from './authenticate.ts'
import { isPreflight } from '../headers/cors.ts'
import { presentedKey } from '../headers/credentials.ts'
import { hasDestination, readDestination } from './destination.ts'
import type { Exchange } from '../exchange/exchange.ts'
import type { RouteTable } from '../routing/route-table.ts'
import { isSpecialPath } from '../routing/path-readings.ts'
import { sourceOf } from '../../model/source-network.ts'
import { hostName } from '../routing/target.ts'

/** Why a request goes no further. */
export interface Refusal {
  readonly outcome: Outcome
  readonly reason: Reason | null
  readonly limit: LimitRefusal | null
}

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

/**
 * Steps 3 to 5 of a request's life: route, authenticate, authorise, limit. Fills the exchange in as it goes, so that a
 * refusal is attributed as far as it got. null means go on, and then a release is owed to the limiter. No await, no I/O. A limit's
 * refusal may be one that is not final.
 */
export function decide(exchange: Exchange, context: DecisionContext): Refusal | null {
  return (
    (isTooLate(exchange, context) ? refuse('draining', null) : null) ??
    readTarget(exchange, context) ??
    findRoute(exchange, context) ??
    findDestination(exchange) ??
    admit(exchange, context, exchange.startedTick, false)
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
      const isTunnelTooLate = context.isDraining && exchange.res === null
      const again = isTunnelTooLate
        ? refuse('draining', null)
        : admit(exchange, context, performance.now(), isLast)
      if (again?.limit?.mayCome === true) return false
      then(again)
    } catch (error) {
      fail(error)
    }
    return true
  }
  if (!context.limiter.waiters.add(tryAgain)) tryAgain(true)
}

/** What comes after an answer that said it was the last; or a tunnel, which a drain would break off at once. */
function isTooLate({ connection, res }: Exchange, { isDraining }: DecisionContext): boolean {
  return connection.isEnding || (isDraining && res === null)
}

function readTarget(exchange: Exchange, context: DecisionContext): Refusal | null {
  const { req, head } = exchange
  const method = req.method ?? ''
  if (head.isTooLarge) return refuse('bad_request', 'headers_too_large')
  if (head.isAmbiguous) return refuse('bad_request', 'framing')
  if (method === 'CONNECT' || method === 'TRACE') return refuse('method_not_allowed', null)
  if (req.httpVersionMajor !== 1 || (req.httpVersionMinor === 0 && head.isChunked)) {
    return refuse('bad_request', 'framing')
  }
  const { target } = exchange
  if (target === null) return refuse('bad_request', 'target')
  // RFC 9112 §3.2: an absent Host is only allowed in HTTP/1.0; an invalid one never is, also beside an absolute target.
  const isHostMissing = head.host === null && req.httpVersionMinor > 0
  const isHostInvalid = head.host !== null && head.host !== '' && hostName(head.host) === null
  const isAuthorityInvalid = target.authority !== null && hostName(target.authority) === null
  if (isHostMissing || isHostInvalid || isAuthorityInvalid) return refuse('bad_request', 'host')
  if (head.via !== null && isLoop(head.via, context.via)) return refuse('loop_detected', null)
  return null
}

/** Whether a Via field (RFC 9110 §7.6.3: `1.1 pseudonym, …`) names this gateway. */
function isLoop(via: string, pseudonym: string): boolean {
  return via.includes(pseudonym) && via.split(',').some((hop) => hop.trim().split(/[ \t]+/)[1] === pseudonym)
}

function findRoute(exchange: Exchange, context: DecisionContext): Refusal | null {
  const { head, target } = exchange
  const host = hostName(target?.authority ?? head.host ?? '') ?? ''
  const path = target?.path ?? '/'
  let route: Route | null
  if (isSpecialPath(path)) {
    const routed = context.routes.matchSpecial(host, path)
    if (routed === 'ambiguous') return refuse('bad_request', 'path')
    route = routed?.route ?? null
    exchange.path = routed?.path ?? path
  } else {
    route = context.routes.match(host, path)
    exchange.path = path
  }
  if (route === null) return refuse('no_route', null)
  exchange.route = route
  exchange.routes = context.routes
  if (isPreflight(exchange)) return refuse('answered', null)
  const found = presentedKey(head)
  if (found !== null && found !== 'several') exchange.credential = found
  if (route.auth === 'public') return tooLarge(exchange)
  const { snapshot } = context.directory
  if (snapshot === null) return refuse('not_ready', 'no_snapshot')
  const result = authenticate(found, snapshot, exchange.client.ip, exchange.startedAtMs)
  if (!result.ok) {
    // Nobody's fault, so it does not count as a wrong credential: the key may have been minted since.
    if (result.reason === 'unknown_key' && context.directory.isStale)
      return refuse('not_ready', 'stale_snapshot')
    const throttled = throttle(exchange, result.reason, context)
    if (throttled !== null) return throttled
    exchange.key = result.key
    return refuse(result.outcome, result.reason)
  }
  exchange.key = result.key
  exchange.tenant = result.tenant
  context.directory.noteUse(result.key.id)
  const permission = permissionOf(exchange, route, result.key.scopes)
  exchange.mustShowRead = permission === 'by_body'
  if (permission === 'no') return refuse('forbidden', 'scope')
  return tooLarge(exchange)
}

/** Where a COPY or MOVE writes is decided on like where it reads. */
function findDestination(exchange: Exchange): Refusal | null {
  if (!hasDestination(exchange)) return null
  const found = readDestination(exchange)
  if (found === 'scope') return refuse('forbidden', found)
  if (typeof found === 'string') return refuse('bad_request', found)
  exchange.destination = found.path
  return null
}

/** Whether scopes permit the request; `by_body` only if its body shows that it reads. */
export function permissionOf(exchange: Exchange, route: Route, scopes: ScopeSet): 'yes' | 'no' | 'by_body' {
  const need = accessOf(route, {
    method: exchange.req.method ?? '',
    rest: exchange.path.slice(route.path.length - 1),
    query: exchange.target?.query ?? '',
    head: exchange.head,
    isUpgrade: exchange.res === null,
  })
  if (need !== 'read' && permits(scopes, route.name, 'write')) return 'yes'
  if (need === 'write' || !permits(scopes, route.name, 'read')) return 'no'
  return need === 'by_body' ? 'by_body' : 'yes'
}

/**
 * Counts credentials that were presented and are wrong; beyond its number a source is told nothing else, and its requests are
 * no tenant's: a stranger with an expired key runs up nobody's usage. Valid keys never get here, and whose address nobody knows
 * is not counted: one bucket for all such clients would be everybody's.
 */
function throttle(
  { client, startedTick }: Exchange,
  reason: Reason,
  context: DecisionContext,
): Refusal | null {
  if (reason === 'missing_key' || client.ip === '') return null
  const limit = context.limiter.noteFailure(sourceOf(client.ip), startedTick)
  return limit === null ? null : { outcome: 'rate_limited', reason: limit.policy, limit }
}

function tooLarge(exchange: Exchange): Refusal | null {
  const { head, route } = exchange
  return route !== null && head.contentLength > route.maxBodyBytes ? refuse('body_too_large', null) : null
}

function admit(exchange: Exchange, context: DecisionContext, tick: number, isLast: boolean): Refusal | null {
  const { tenant, key, route } = exchange
  if (tenant === null || key === null || route === null) return null
  const limit = context.limiter.admit(tenant, key, route, tick, isLast)
  if (limit !== null) return { outcome: 'rate_limited', reason: limit.policy, limit }
  exchange.isAdmitted = true
  return tenant.logPolicy === 'strict' ? reservePlace(exchange, tenant.slug, context) : null
}

/** Last of all, so that no place is promised to what is refused anyway. */
function reservePlace(exchange: Exchange, tenant: string, context: DecisionContext): Refusal | null {
  const reason = context.sink.reserve(tenant)
  if (reason !== null) return refuse('log_unavailable', reason)
  exchange.isReserved = true
  return null
}

function refuse(outcome: Outcome, reason: Reason | null): Refusal {
  return { outcome, reason, limit: null }
}
