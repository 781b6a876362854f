import { ECOSYSTEMS } from '../../artifacts/kinds.ts'
import type { BodyCheck } from '../../integrations/verify-signature.ts'
import { AccessEntry, ENTRY_TEXT_MAX, capText } from '../../model/access-entry.ts'
import type { KeyGrant, TenantGrant } from '../../model/grant.ts'
import type { SpanIds } from '../headers/sampling.ts'
import type { TokenAccess } from '../../model/token/access-token.ts'
import { statusOf, type Outcome, type Reason } from '../../model/outcome.ts'
import type { RuleVerdict } from '../../model/rules/rule-book.ts'
import type { Route } from '../../model/route.ts'
import type { FilesPlace } from '../../model/upstream/files-host.ts'
import type { ClientBody, ClientRequest, ClientResponse } from './client.ts'
import type { Connection } from './connection.ts'
import type { ClientView } from '../headers/client-view.ts'
import { placeOf } from '../headers/redirects.ts'
import { RouteAddresses } from '../../upstream/addresses/route-addresses.ts'
import type { OwnRequest } from '../routing/own-roots.ts'
import type { RouteTable } from '../routing/route-table.ts'
import { redactHost, redactPath, redactText } from '../routing/redact.ts'
import type { Credential } from '../headers/credentials.ts'
import type { RequestHead } from '../../http/request-head.ts'
import type { Target } from '../routing/target.ts'

/**
 * What an exchange waits for; each phase has its own time limit.
 * `deciding` nothing (synchronous) · `queued` a place among the upstream's connections · `head` the upstream's response
 * head, the request's body on its way · `body` the response's body · `upgraded` nothing: a tunnel may be silent.
 */
export type Phase = 'deciding' | 'queued' | 'head' | 'body' | 'upgraded'

/** Who carries an exchange to its upstream. */
export interface Carrier {
  /** The exchange has closed, or is about to: ends the upstream's side. A second call does nothing. */
  cancel(): void
  /** The phase's limit has passed. */
  timeOut(): void
  /** The request would be refused by now: answers so while that is possible, and breaks both sides off otherwise. */
  stop(outcome: Outcome, reason: Reason | null): void
}

/**
 * One request and its response, from the head's arrival to the record. Everything that happens to a request is written
 * here; `toEntry` turns it into the access entry. Fixed shape: all fields are set in the constructor.
 */
export class Exchange {
  readonly req: ClientRequest
  readonly res: ClientResponse
  readonly connection: Connection
  readonly head: RequestHead
  /** Epoch milliseconds and monotonic milliseconds of the arrival. */
  readonly startedAtMs: number
  readonly startedTick: number
  requestId = ''
  traceId = ''
  traceparent = ''
  /** Null outside of sampled traces, and where none are made. */
  span: SpanIds | null = null
  client: ClientView
  target: Target | null = null
  /** The path by which the route was found: its beginning as the route writes it, the rest as received. */
  path = '/'
  /** Where a COPY or MOVE goes to, as `path`; null for all else. */
  destination: string | null = null
  /** The query as the upstream is to see it, where that is not the client's; and whether a body is sent as mere bytes, see `checkMount`. */
  sentQuery: string | null = null
  isSentAsBytes = false
  route: Route | null = null
  /** The table that the route was found in. */
  routes: RouteTable | null = null
  /** Where the path leads below `~/`; null for what goes to the route's upstream. */
  files: FilesPlace | null = null
  /** What the gateway answers itself; null for all else. */
  own: OwnRequest | null = null
  credential: Credential | null = null
  key: KeyGrant | null = null
  tenant: TenantGrant | null = null
  /** What the token is for by which the key came; null when the key itself did. */
  access: readonly TokenAccess[] | null = null
  /** It fetches a token, or logs in: no limit refuses it with 429, at which clients give up (`takeLimits`). */
  isLogin = false
  /** The rule that concerns it; null for none. */
  rule: RuleVerdict | null = null
  /** Package URL of what it denies; '' for nothing. */
  deniedPurl = ''
  /** What the operator adds to each refusal; '' for nothing. */
  refusalContact = ''
  /** Whole seconds that a client is asked to wait, where that is known; 0 elsewhere. */
  retryAfterSeconds = 0
  /** The limiter counted it: a release is owed. */
  isAdmitted = false
  /** The log has promised a place for the entry. */
  isReserved = false
  /** A Buffer is all of it, and came with the head or was waited for; null when there is none. */
  body: Buffer | ClientBody | null
  /** The key may read and not write, and only the body tells whether this is reading. */
  mustShowRead = false
  /** What its body has to stand before its sender is believed; null where the head tells all. */
  bodyCheck: BodyCheck | null = null
  /** Its sender has proved by a signature who it is. */
  isVerified = false
  /** What is held of its body, to be given back at the end; null where nothing is counted. */
  held: { pass(tenant: string): boolean; release(): void } | null = null
  /** What its route asks for and it lacks, as the configuration writes it; '' for nothing. */
  lackedPlace = ''
  /** The client waits for 100 before it sends the body (RFC 9110 §10.1.1). */
  expectsContinue = false
  outcome: Outcome = 'client_closed'
  reason: Reason | null = null
  status = 0
  bytesReceived = 0
  bytesSent = 0
  /** Milliseconds that it was held because of a limit. */
  heldMs = 0
  /** Monotonic milliseconds at which the request went upstream, and the response head came; -1 before. */
  sentTick = -1
  respondedTick = -1
  upstream = ''
  /** See RequestNotes. */
  digest = ''
  upstreamLimit = ''
  phase: Phase = 'deciding'
  /** Time limit of the phase in ms (0 none), and monotonic ms of the last sign of life in it. */
  limitMs = 0
  activeTick: number
  /** The client does not take what was written to it. */
  isClientBlocked = false
  #hasEnding = false
  /** Recorded: nothing may be written any more. */
  isClosed = false
  /** In the roster of all exchanges; the roster's own. */
  place = -1
  /** Who carries it upstream; null before it is admitted. */
  carrier: Carrier | null = null

  constructor(
    req: ClientRequest,
    res: ClientResponse,
    context: { connection: Connection; head: RequestHead; client: ClientView; atMs: number; tick: number },
  ) {
    this.req = req
    this.body = req.body
    this.res = res
    this.connection = context.connection
    this.head = context.head
    this.client = context.client
    this.startedAtMs = context.atMs
    this.startedTick = context.tick
    this.activeTick = context.tick
  }

  /** The body is wanted: a client that waits for 100 gets it. */
  askForBody(): void {
    if (!this.expectsContinue) return
    this.expectsContinue = false
    this.res.writeContinue()
  }

  /** Enters a phase: its limit counts from `tick`. */
  enter(phase: Phase, limitMs: number, tick: number): void {
    this.phase = phase
    this.limitMs = limitMs
    this.activeTick = tick
  }

  /** A sign of life: the phase's limit counts anew. */
  touch(): void {
    this.activeTick = performance.now()
  }

  /** It has waited since it came, for its body, for a limit or for what a database says: its time upstream begins later. */
  get hasWaited(): boolean {
    return this.activeTick !== this.startedTick
  }

  /** The client asks for a tunnel: an upgrade, or CONNECT. */
  get asksForTunnel(): boolean {
    return this.req.tunnel !== null
  }

  /** See RequestNotes. */
  timeAt(tick: number): number {
    return this.startedAtMs + tick - this.startedTick
  }

  /** See AskedRequest. */
  addresses(): RouteAddresses | null {
    const { route, client } = this
    if (route === null || !client.isOwnAddress || client.host === '') return null
    return new RouteAddresses(placeOf(this, route), `${client.proto}://${client.host}`)
  }

  /** The path below the route's, starting with '/'; all of it before a route was found. */
  get rest(): string {
    return this.route === null ? (this.target?.path ?? '/') : this.path.slice(this.route.path.length - 1)
  }

  /** How it ended is known already. */
  get hasEnding(): boolean {
    return this.#hasEnding
  }

  /** Sets how it ended. The first ending stands. */
  end(outcome: Outcome, reason: Reason | null): void {
    if (this.#hasEnding) return
    this.#hasEnding = true
    this.outcome = outcome
    this.reason = reason
  }

  /** The access entry; `tick` is the monotonic time of the end. */
  toEntry(tick: number): AccessEntry {
    const entry = new AccessEntry()
    const { req, route, target } = this
    entry.startedAtMs = this.startedAtMs
    entry.tenant = this.tenant?.slug ?? this.key?.tenant ?? ''
    entry.keyId = this.key?.id ?? ''
    entry.route = route?.name ?? ''
    const kind = route?.kind ?? this.own?.kind ?? null
    entry.kind = kind ?? ''
    entry.method = capText(req.method ?? '', ENTRY_TEXT_MAX.method)
    entry.host = capText(redactHost(this.client.host), ENTRY_TEXT_MAX.host)
    const path =
      target === null
        ? redactPath(req.url ?? '', '')
        : redactPath(route === null ? target.path : this.path, target.query, route)
    entry.path = capText(path, ENTRY_TEXT_MAX.path)
    if (this.isReserved) entry.standing = 'held'
    else if (this.tenant?.logPolicy === 'best_effort') entry.standing = 'loose'
    else if (this.tenant === null && this.key !== null) entry.standing = 'stray'
    entry.status = this.status === 0 ? statusOf(this.outcome, null) : this.status
    entry.outcome = this.outcome
    entry.reason = this.reason
    entry.bytesReceived = this.bytesReceived
    entry.bytesSent = this.bytesSent
    entry.durationUs = Math.round((tick - this.startedTick) * 1000)
    const isAnswered = this.sentTick >= 0 && this.respondedTick >= 0
    entry.upstreamUs = isAnswered ? Math.round((this.respondedTick - this.sentTick) * 1000) : -1
    entry.upstream = this.#wasSent() ? this.upstream : ''
    entry.clientIp = this.client.ip
    entry.userAgent = capText(redactText(this.head.userAgent), ENTRY_TEXT_MAX.userAgent)
    entry.requestId = this.requestId
    entry.traceId = this.traceId
    entry.ecosystem = kind === null ? '' : ECOSYSTEMS[kind].name
    entry.routed = route
    if (this.heldMs > 0) entry.heldMs = Math.max(1, Math.round(this.heldMs))
    entry.digest = this.digest
    if (this.span !== null) {
      const sentUs = this.sentTick < 0 ? -1 : Math.round((this.sentTick - this.startedTick) * 1000)
      entry.span = { ...this.span, sentUs }
    }
    entry.upstreamLimit = this.upstreamLimit
    if (this.rule !== null) {
      entry.ruleId = this.rule.rule.id
      entry.ruleAction = this.rule.mark
    }
    return entry
  }
  /** Whether it went, or was tried to be sent, to the upstream: not if it only waited for a place. */
  #wasSent(): boolean {
    if (this.reason === 'breaker_open') return false
    return this.phase !== 'queued' || (this.outcome !== 'overloaded' && this.outcome !== 'client_closed')
  }
}
