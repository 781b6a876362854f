import { Roster } from '../lib/roster.ts'
import type { EntrySink, Report, RequestIds } from '../model/access-entry.ts'
import type { Inbox } from '../model/delivery/inbox.ts'
import type { Directory } from '../model/grant.ts'
import { NO_CALLS, type CallBook } from '../model/idempotency/kept-calls.ts'
import { isInNetworks, plainAddress } from '../model/network.ts'
import { statusOf, type Reason } from '../model/outcome.ts'
import type { Limiter } from '../limits/limiter.ts'
import { Accepting } from './accepting.ts'
import { UNREAD, type ClientRequest, type ClientResponse } from './exchange/client.ts'
import type { Connection } from './exchange/connection.ts'
import { isPreflight, preflightFields } from './headers/cors.ts'
import type { DecisionContext, Refusal } from './decide/context.ts'
import { decide, decideLater } from './decide/decide.ts'
import { Exchange } from './exchange/exchange.ts'
import { clientView, type TrustPolicy } from './headers/client-view.ts'
import type { Dispatcher } from '../upstream/dispatcher.ts'
import type { UpstreamPools } from '../upstream/pools.ts'
import { answerEmpty, answerRefusal } from './answers/own-answers.ts'
import { answerOwn } from './own/own-exchange.ts'
import { UpstreamCarrier } from './upstream-carrier.ts'
import { IdempotentCalls } from './idempotency/idempotent-calls.ts'
import { newTraceparent, requestIdOf, traceIdOf } from './headers/ids.ts'
import { sampledTraceparent, type Sampling } from './headers/sampling.ts'
import { UNBOUNDED_HEAD, readHead, type HeadBounds } from '../http/request-head.ts'
import { RouteTable } from './routing/route-table.ts'
import type { ProxyCounters } from './stats.ts'
import { splitTarget } from './routing/target.ts'
import { HeldShares } from './waiting/held-shares.ts'
import { hold } from './waiting/holding.ts'
import { WaitingBodies } from './waiting/waiting-bodies.ts'
import { Upgrader, type UpgraderOwner } from './upgrade.ts'
import { Upkeep, type UpkeepOwner } from './upkeep.ts'

/** The collaborators of the data plane; built and owned by the composition root. */
export interface HandlerDependencies {
  readonly directory: Directory
  readonly limiter: Limiter
  /** Has requests answered, and gives tunnels their places. */
  readonly dispatcher: Dispatcher
  readonly pools: UpstreamPools
  readonly sink: EntrySink
  readonly counters: ProxyCounters
  /** Pseudonym of this gateway in Via fields (RFC 9110 §7.6.3), unique to the process. */
  readonly via: string
  /** Keeps what routes with `mode: accept` take; without one nothing can be kept. */
  readonly inbox?: Inbox
  /** Knows what came before on routes with `idempotency`; without one nobody can tell. */
  readonly calls?: CallBook
  /** Which requests get spans; none unless told. */
  readonly sampling?: Sampling | null
  /** Default `UNBOUNDED_HEAD`. */
  readonly headBounds?: HeadBounds
  /** Epoch milliseconds at a tick, which is this moment's. */
  readonly now?: (tick: number) => number
  /** Whether the gateway is ready for traffic: what `probePath` tells. */
  readonly isReady: () => boolean
  /** Told of what should never happen. */
  readonly report: Report
}

/** What a reload replaces. */
export interface HandlerSettings {
  readonly routes: RouteTable
  /** Whose forwarding fields are believed. */
  readonly trust: TrustPolicy
  /** Path that tells whether the gateway is ready for traffic; null for none. */
  readonly probePath: string | null
  /** What is under way ends when its key, or its tenant, loses what let it pass. */
  readonly endsRevoked: boolean
  /** What each refusal ends with: whom to ask; '' for nothing. */
  readonly refusalContact: string
}

/** Before the first are applied: no route. */
export const NO_SETTINGS: HandlerSettings = {
  routes: new RouteTable([]),
  trust: { trustedProxies: null, publicProto: null, publicHost: null },
  probePath: null,
  endsRevoked: true,
  refusalContact: '',
}

/** Decides what becomes of a request, by the settings that were applied last. */
export class Handler implements DecisionContext, UpkeepOwner, UpgraderOwner {
  readonly directory: Directory
  readonly limiter: Limiter
  readonly sink: EntrySink
  readonly dispatcher: Dispatcher
  readonly pools: UpstreamPools
  readonly counters: ProxyCounters
  readonly via: string
  /** What is under way. */
  readonly exchanges = new Roster<Exchange>()
  readonly #now: (tick: number) => number
  readonly #isReady: () => boolean
  readonly #report: Report
  readonly #bounds: HeadBounds
  readonly #upkeep: Upkeep
  readonly #upgrader: Upgrader
  readonly #waiting: WaitingBodies
  readonly #accepting: Accepting
  readonly #idempotent: IdempotentCalls
  readonly #sampling: Sampling | null
  #settings = NO_SETTINGS
  #isDraining = false
  #isRetiring = false

  constructor(deps: HandlerDependencies) {
    this.directory = deps.directory
    this.limiter = deps.limiter
    this.sink = deps.sink
    this.dispatcher = deps.dispatcher
    this.pools = deps.pools
    this.counters = deps.counters
    this.via = deps.via
    this.#now = deps.now ?? Date.now
    this.#isReady = deps.isReady
    this.#report = deps.report
    this.#sampling = deps.sampling ?? null
    this.#bounds = deps.headBounds ?? UNBOUNDED_HEAD
    this.#upkeep = new Upkeep(this)
    this.#upgrader = new Upgrader(this)
    const shares = new HeldShares()
    this.#waiting = new WaitingBodies(this, shares, (exchange, decideNow) =>
      this.#settleLate(exchange, decideNow),
    )
    const fail = (exchange: Exchange, error: unknown): void => this.#failInternally(exchange, error)
    this.#accepting = new Accepting(deps.inbox ?? NO_INBOX, shares, { via: deps.via, fail })
    const { calls: book = NO_CALLS, dispatcher, via } = deps
    this.#idempotent = new IdempotentCalls({ book, shares, dispatcher, via, fail })
  }

  /** Takes over what a reload may change; requests that have been decided on keep what was decided. */
  apply(settings: HandlerSettings): void {
    this.#settings = settings
  }

  /** Serves on, and from now on each answer is the last on its connection. A second call does nothing. */
  retire(): void {
    if (this.#isRetiring) return
    this.#isRetiring = true
    // One that has told its client to go on is left to it: a request may be on its way.
    for (const { connection, res } of this.exchanges) {
      if (!res.headersSent && connection.open.at(-1)?.res === res) res.shouldKeepAlive = false
    }
  }

  /** Takes no tunnel any more, and breaks off those that are open. A second call does nothing. */
  drain(): void {
    this.#isDraining = true
    this.#upgrader.destroyAll()
  }

  /** To be called several times a second with the monotonic milliseconds: a limit of time is exact to this. */
  tick(nowTick: number): void {
    this.#upkeep.tick(nowTick)
  }

  get routes(): RouteTable {
    return this.#settings.routes
  }

  /** See RecheckOwner. */
  get endsRevoked(): boolean {
    return this.#settings.endsRevoked
  }

  get isDraining(): boolean {
    return this.#isDraining
  }

  get isRetiring(): boolean {
    return this.#isRetiring
  }

  /** Tells of what should never happen. */
  report(error: unknown, request?: RequestIds): void {
    this.#report(error, request)
  }

  /** Epoch milliseconds by the clock that entries and expiry go by. */
  nowMs(): number {
    return this.#now(performance.now())
  }

  /** The life of a request. */
  handle(connection: Connection, req: ClientRequest, res: ClientResponse, expectsContinue: boolean): void {
    if (this.#isRetiring) connection.endWith(res)
    const exchange = this.open(connection, req, res)
    exchange.expectsContinue = expectsContinue
    if (!exchange.asksForTunnel) {
      this.#begin(exchange)
      return
    }
    // Pipelined: the answers before it come first (RFC 9112 §9.3.2), and what they decide, a limit or an end, holds for it.
    connection.afterOthers(exchange, () => {
      if (!exchange.isClosed && connection.socket.writable) this.#begin(exchange)
    })
  }

  #begin(exchange: Exchange): void {
    try {
      this.#decide(exchange)
    } catch (error) {
      this.#failInternally(exchange, error)
    }
  }

  #decide(exchange: Exchange): void {
    const { probePath } = this.#settings
    if (probePath !== null && exchange.target?.path === probePath) {
      this.#answerProbe(exchange)
      return
    }
    this.#settle(exchange, decide(exchange, this))
  }

  /** Decides on what waited for its body. */
  #settleLate(exchange: Exchange, decideNow: () => Refusal | null): void {
    try {
      this.#settle(exchange, decideNow())
    } catch (error) {
      this.#failInternally(exchange, error)
    }
  }

  /** Acts on a decision, which may have to be made once more. */
  #settle(exchange: Exchange, refusal: Refusal | null): void {
    if (refusal?.limit?.mayCome !== true) {
      this.#act(exchange, refusal)
      return
    }
    const act = (again: Refusal | null): void => this.#act(exchange, again)
    const fail = (error: unknown): void => this.#failInternally(exchange, error)
    if (!hold(exchange, refusal.limit, this, { act, fail })) decideLater(exchange, this, act, fail)
  }

  #failInternally(exchange: Exchange, error: unknown): void {
    const { res } = exchange
    this.report(error, exchange)
    exchange.carrier?.cancel()
    if (!res.headersSent) answerRefusal(exchange, 'internal', null)
    if (!res.writableEnded) res.destroy()
  }

  #act(exchange: Exchange, refusal: Refusal | null): void {
    if (refusal === null && isForUs(exchange)) answerEmpty(exchange, 204, ['Allow', ALLOWED])
    else if (refusal === null && exchange.own !== null)
      answerOwn(exchange, exchange.own.answer, this, (error) => this.#failInternally(exchange, error))
    else if (refusal === null) this.#forward(exchange)
    else if (isPreflight(exchange) && refusal.outcome === 'answered')
      answerEmpty(exchange, 204, preflightFields(exchange))
    else answerRefusal(exchange, refusal.outcome, refusal.reason, refusal.limit)
  }

  #answerProbe(exchange: Exchange): void {
    const { method } = exchange.req
    if (exchange.head.isTooLarge || exchange.head.isAmbiguous)
      answerRefusal(exchange, 'bad_request', 'framing')
    else if (method !== 'GET' && method !== 'HEAD') answerRefusal(exchange, 'method_not_allowed', null)
    else if (this.#isReady()) answerEmpty(exchange, 204, ['Cache-Control', 'no-store'])
    else answerRefusal(exchange, 'not_ready', null)
  }

  /** Refuses what is not to be decided on. `req` is null for what could not be read as a request, and has come all the same. */
  refuseEarly(connection: Connection, req: ClientRequest | null, res: ClientResponse, reason: Reason): void {
    const exchange = this.open(connection, req ?? UNREAD, res)
    if (req === null) {
      exchange.client = {
        ip: this.#addressOf(connection),
        proto: connection.proto,
        host: '',
        base: '',
        isOwnAddress: false,
        forwardedFor: '',
      }
    }
    res.shouldKeepAlive = false
    if (connection.socket.writable) {
      answerRefusal(exchange, 'bad_request', reason)
      return
    }
    // It came behind the last answer of its connection, which a write would break off.
    exchange.end('bad_request', reason)
    exchange.status = statusOf('bad_request', reason)
    this.close(exchange)
  }

  /** Begins an exchange, which ends with its response, or its connection. */
  open(connection: Connection, req: ClientRequest, res: ClientResponse): Exchange {
    const head = readHead(req.rawHeaders, this.#bounds)
    const target = splitTarget(req.url ?? '')
    // An absolute target's authority replaces Host (RFC 9112 §3.2.2).
    const host = target?.authority ?? head.host ?? ''
    const client = clientView(connection.peer, head, host, this.#settings.trust, connection.proto)
    const tick = performance.now()
    const context = { connection, head, client, atMs: this.#now(tick), tick }
    const exchange = new Exchange(req, res, context)
    exchange.target = target
    exchange.refusalContact = this.#settings.refusalContact
    exchange.requestId = requestIdOf(head.requestId)
    const traceId = traceIdOf(head.traceparent)
    exchange.traceparent = traceId === null ? newTraceparent() : (head.traceparent ?? '')
    exchange.traceId = traceId ?? exchange.traceparent.slice(3, 35)
    if (this.#sampling !== null) sample(this.#sampling, exchange, traceId === null)
    this.exchanges.add(exchange)
    connection.opened(exchange)
    this.counters.requestsInFlight.rise()
    res.once('close', () => this.close(exchange)) // the only exit; see also `Connection`
    return exchange
  }

  /** Whether a peer is one of the trusted proxies: it speaks for others. */
  trusts(peer: string): boolean {
    const { trustedProxies } = this.#settings.trust
    return trustedProxies !== null && isInNetworks(trustedProxies, peer)
  }

  /** The client's address as far as a connection tells it: '' where the peer speaks for others. */
  #addressOf(connection: Connection): string {
    const peer = plainAddress(connection.peer)
    return this.trusts(peer) ? '' : peer
  }

  /** The end of every exchange: counted, recorded, given back. A second call does nothing. Never throws. */
  close(exchange: Exchange): void {
    if (exchange.isClosed) return
    exchange.isClosed = true
    this.exchanges.delete(exchange)
    exchange.held?.release()
    exchange.connection.closed(exchange)
    const { counters, limiter, sink } = this
    counters.requestsInFlight.fall()
    if (exchange.isAdmitted && exchange.tenant !== null) limiter.release(exchange.tenant.slug)
    if (exchange.phase !== 'upgraded' && !exchange.res.writableFinished) exchange.end('client_closed', null)
    exchange.carrier?.cancel()
    const entry = exchange.toEntry(performance.now())
    const route = counters.route(entry.route)
    route.count(exchange.outcome, entry.status)
    route.bytesReceived += entry.bytesReceived
    route.bytesSent += entry.bytesSent
    route.durationBuckets.observe(entry.durationUs / 1e6)
    if (entry.upstreamUs >= 0) route.upstreamBuckets.observe(entry.upstreamUs / 1e6)
    if (exchange.rule !== null) counters.ruled[exchange.rule.mark]++
    if (entry.span !== null) route.exemplify(entry, entry.span)
    try {
      sink.push(entry)
    } catch (error) {
      this.report(error, entry)
    }
    this.#linger(exchange)
  }

  #forward(exchange: Exchange): void {
    if (this.#waiting.take(exchange)) return
    const { route } = exchange
    if (route !== null && route.delivery !== null) {
      this.#accepting.take(exchange, route, route.delivery)
      return
    }
    const rules = route?.idempotency ?? null
    if (route !== null && rules !== null && this.#idempotent.take(exchange, route, rules)) return
    const { tunnel } = exchange.req
    const dispatcher = tunnel === null ? this.dispatcher : this.#upgrader.dispatcherOf(exchange, tunnel)
    new UpstreamCarrier(exchange, dispatcher, this.via).send()
  }

  /** What is left of a body is read for a while, so that its answer gets through. */
  #linger({ req, body, connection }: Exchange): void {
    if (body === null || Buffer.isBuffer(body)) return
    if (req.complete || connection.socket.destroyed) return
    connection.linger()
    body.stop(() => {
      connection.lingerUntilTick = Infinity
      if (!connection.socket.writable) connection.socket.destroySoon()
    })
  }
}

const NO_INBOX: Inbox = { accept: () => Promise.resolve({ kind: 'unavailable' }) }

const ALLOWED = 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS'

/** OPTIONS that may go no further: the gateway is who is asked (RFC 9110 §7.6.2). */
function isForUs({ req, head }: Exchange): boolean {
  return head.maxForwards !== null && req.method === 'OPTIONS' && /^0+$/.test(head.maxForwards)
}

/** Gives the exchange its spans, where it is in a trace that is recorded. */
function sample(sampling: Sampling, exchange: Exchange, isBegun: boolean): void {
  const { traceparent } = exchange
  const span = sampling.spanOf(traceparent, isBegun)
  if (span === null) return
  exchange.span = span
  exchange.traceparent = sampledTraceparent(traceparent, span, isBegun)
}
