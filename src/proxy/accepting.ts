import { secretField } from '../integrations/secret-field.ts'
import { readValues } from '../integrations/parcel-values.ts'
import { deliveryId } from '../model/delivery/delivery-id.ts'
import type { Inbox, Kept } from '../model/delivery/inbox.ts'
import type { Parcel } from '../model/delivery/parcel.ts'
import type { DeliveryRules } from '../model/delivery/deliver-rules.ts'
import type { Route } from '../model/route.ts'
import { answerRefusal } from './answers/own-answers.ts'
import { answerAccepted, answerIgnored } from './answers/accepted.ts'
import type { Exchange } from './exchange/exchange.ts'
import type { HeldShares } from './waiting/held-shares.ts'
import { redactPath } from './routing/redact.ts'
import { upstreamRequest } from './upstream-request.ts'
import { Pending } from './waiting/pending.ts'
import { readTenantBody } from './waiting/tenant-body.ts'

/** Fields that are the connection's, or are made anew for each attempt. */
const OWN_FIELDS = new Set(['content-length', 'authorization', 'expect'])

/** What is asked with these changes nothing, so nothing is kept of it (RFC 9110 §9.2.1). */
const SAFE_METHODS = new Set(['GET', 'HEAD', 'OPTIONS'])

/** Requests of routes with `mode: accept`: their bodies are read, they are given to the inbox, and answered 202 once they are durable. */
export class Accepting {
  readonly #inbox: Inbox
  readonly #shares: HeldShares
  readonly #via: string
  readonly #fail: (exchange: Exchange, error: unknown) => void

  /** `fail` ends an exchange after what should never happen. */
  constructor(
    inbox: Inbox,
    shares: HeldShares,
    { via, fail }: { readonly via: string; readonly fail: (exchange: Exchange, error: unknown) => void },
  ) {
    this.#inbox = inbox
    this.#shares = shares
    this.#via = via
    this.#fail = fail
  }

  /** Takes a request that was let through and whose route accepts. */
  take(exchange: Exchange, route: Route, rules: DeliveryRules): void {
    if (SAFE_METHODS.has(exchange.req.method ?? '')) {
      answerRefusal(exchange, 'method_not_allowed', null)
      return
    }
    const held = this.#shares.openFor(exchange.tenant?.slug ?? '')
    exchange.held ??= held
    readTenantBody(exchange, {
      held,
      maxBytes: route.maxBodyBytes,
      tooLong: null,
      limitMs: route.idleTimeoutMs,
      onBody: (body) => this.#accept(exchange, rules, body),
      fail: (error) => this.#fail(exchange, error),
    })
  }

  #accept(exchange: Exchange, rules: DeliveryRules, body: Buffer): void {
    exchange.bytesReceived = body.length
    const values = readValues(rules, {
      rawHeaders: exchange.req.rawHeaders,
      contentType: exchange.head.contentType ?? '',
      contentEncoding: fieldOf(exchange, 'content-encoding'),
      body,
    })
    if (values.kind === 'ignore') {
      answerIgnored(exchange)
      return
    }
    if (values.kind === 'refuse') {
      exchange.lackedPlace = values.place
      answerRefusal(exchange, 'bad_request', values.reason)
      return
    }
    const { lane, coalesceBy, senderKey } = values
    const parcel = this.#parcelOf(exchange, { lane, coalesceBy, senderKey }, rules, body)
    // What is being made durable becomes durable, also when its sender has gone: who did not hear so may send it again.
    const pending = new Pending(exchange)
    this.#inbox
      .accept(parcel, rules.accept.patienceMs)
      .then((kept) => {
        if (!pending.isOver) answerKept(exchange, kept)
      })
      .catch((error: unknown) => this.#fail(exchange, error))
  }

  #parcelOf(
    exchange: Exchange,
    values: Pick<Parcel, 'lane' | 'coalesceBy' | 'senderKey'>,
    rules: DeliveryRules,
    body: Buffer,
  ): Parcel {
    const { route, tenant, target } = exchange
    if (route === null || target === null) throw new Error('what is accepted has a route and a target')
    const receivedAtMs = Math.trunc(exchange.startedAtMs)
    const request = upstreamRequest(exchange, this.#via, body, performance.now())
    // Where it goes is told by each attempt's entry.
    exchange.upstream = ''
    return {
      ...values,
      id: deliveryId(receivedAtMs),
      receivedAtMs,
      tenant: tenant?.slug ?? '',
      route: route.name,
      dedupeMs: rules.deliver.dedupe?.windowMs ?? 0,
      requestId: exchange.requestId,
      traceId: exchange.traceId,
      head: {
        method: request.method,
        path: exchange.path,
        shown: redactPath(exchange.path, target.query, route),
        query: exchange.sentQuery ?? target.query,
        host: request.host,
        fields: keptFields(request.headers, madeAnew(route)),
      },
      body,
    }
  }
}

function answerKept(exchange: Exchange, kept: Kept): void {
  if (kept.kind === 'kept') answerAccepted(exchange, kept)
  else answerRefusal(exchange, 'overloaded', kept.kind === 'full' ? 'deliveries_full' : 'not_kept')
}

function fieldOf({ req }: Exchange, name: string): string {
  const { rawHeaders } = req
  for (let i = 0; i < rawHeaders.length; i += 2)
    if (rawHeaders[i]?.toLowerCase() === name) return (rawHeaders[i + 1] ?? '').toLowerCase()
  return ''
}

/** Names, lower case, of what each attempt has from its route: some are secrets, and are kept nowhere. */
function madeAnew(route: Route): ReadonlySet<string> {
  const { set } = route.rules.headers
  const names = set.filter((_, i) => i % 2 === 0).map((name) => name.toLowerCase())
  return new Set([...OWN_FIELDS, ...names, secretField(route)?.[0] ?? ''])
}

function keptFields(headers: readonly string[], dropped: ReadonlySet<string>): string[] {
  const kept: string[] = []
  for (let i = 0; i < headers.length; i += 2) {
    const name = (headers[i] ?? '').toLowerCase()
    if (!dropped.has(name)) kept.push(headers[i] ?? '', headers[i + 1] ?? '')
  }
  return kept
}
