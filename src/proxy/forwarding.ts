import type { IncomingMessage } from 'node:http'
import type { Outcome, Reason } from '../model/outcome.ts'
import type { ClientResponse } from './exchange/client.ts'
import type { Carrier, Exchange } from './exchange/exchange.ts'
import {
  TooManyUpstreamsError,
  UpstreamAddressError,
  type Destination,
  type UpstreamPools,
} from '../upstream/pools.ts'
import { Relay, type RelayOwner } from './relay.ts'
import { Upload } from './upload.ts'
import type { Dispatched, UpstreamRequest } from '../upstream/request.ts'

/** What a forwarding needs of the handler. */
export interface Refuser {
  /** Ends the exchange with one of the gateway's own answers; the response head has not been sent. */
  refuse(exchange: Exchange, res: ClientResponse, outcome: Outcome, reason: Reason | null): void
}

/**
 * Sends an admitted request upstream, once more where that is safe, and ends it when one of its phases lasts too long. One
 * object per exchange.
 */
export class Forwarding implements Carrier, RelayOwner {
  readonly #exchange: Exchange
  readonly #res: ClientResponse
  readonly #request: Omit<UpstreamRequest, 'body'>
  readonly #to: Destination
  readonly #pools: UpstreamPools
  readonly #refuser: Refuser
  #attempts = 0
  #upload: Upload | null = null
  #relay: Relay | null = null
  #place: Dispatched | null = null

  constructor(
    exchange: Exchange,
    res: ClientResponse,
    target: { readonly to: Destination; readonly request: Omit<UpstreamRequest, 'body'> },
    owners: { readonly pools: UpstreamPools; readonly refuser: Refuser },
  ) {
    this.#exchange = exchange
    this.#res = res
    this.#to = target.to
    this.#request = target.request
    this.#pools = owners.pools
    this.#refuser = owners.refuser
  }

  /** Sends the request, or queues it. */
  send(): void {
    const exchange = this.#exchange
    this.#attempts++
    exchange.carrier = this
    const { message, content } = exchange
    if (content !== null) exchange.bytesReceived = content.length
    this.#upload = content === null && message !== null && exchange.hasBody ? this.#uploadOf(message) : null
    this.#relay = new Relay(exchange, this.#res, this.#upload, this)
    // The first attempt comes in the turn of the arrival.
    const tick = this.#attempts === 1 ? exchange.startedTick : performance.now()
    exchange.enter('queued', this.#to.route.headerTimeoutMs, tick)
    const { method, path, headers, contentLength, host, isBoundToConnection } = this.#request
    const body = this.#upload ?? content
    const request = { method, path, headers, contentLength, host, isBoundToConnection, body }
    try {
      this.#place = this.#pools.dispatch(this.#to, request, this.#relay, tick)
      if (this.#place === null) this.refuse('overloaded', 'queue_full')
    } catch (error) {
      if (error instanceof UpstreamAddressError) this.refuse('upstream_invalid', null)
      else if (error instanceof TooManyUpstreamsError) this.refuse('overloaded', 'queue_full')
      else throw error
    }
  }

  #uploadOf(message: IncomingMessage): Upload {
    const onTooLarge = (): void => this.#relay?.fail('body_too_large', null)
    return new Upload(this.#exchange, message, { maxBytes: this.#to.route.maxBodyBytes, onTooLarge })
  }

  /** See RelayOwner: only what changes nothing and has no body, and only once (RFC 9110 §9.2.2). */
  retry(): boolean {
    const { method } = this.#request
    const isSafe = method === 'GET' || method === 'HEAD' || method === 'OPTIONS'
    if (this.#attempts > 1 || !isSafe || this.#exchange.hasBody || this.#exchange.isClosed) return false
    this.send()
    return true
  }

  /** See RelayOwner. */
  refuse(outcome: Outcome, reason: Reason | null): void {
    if (this.#exchange.isClosed || this.#res.headersSent) return
    this.#refuser.refuse(this.#exchange, this.#res, outcome, reason)
  }

  /** See Carrier. */
  cancel(): void {
    this.#place?.leave()
    this.#relay?.cancel()
  }

  /** See Carrier. */
  stop(outcome: Outcome, reason: Reason | null): void {
    const res = this.#res
    const hasHead = res.headersSent
    // Before `fail`, which would call it truncated.
    this.#exchange.end(outcome, reason)
    this.#relay?.fail(outcome, reason)
    // All of it has come from the upstream, and waits for its client.
    if (hasHead && !res.writableFinished && res.socket?.destroyed === false) res.socket.resetAndDestroy()
  }

  /** See Carrier: who kept the exchange waiting decides the outcome. */
  timeOut(): void {
    const { phase, isClientBlocked } = this.#exchange
    const upload = this.#upload
    switch (phase) {
      case 'queued':
        this.#relay?.fail('overloaded', 'queue_timeout')
        return
      case 'head':
        if (upload !== null && !upload.isComplete && !upload.isUpstreamBlocked)
          this.#relay?.fail('bad_request', 'body_timeout')
        else this.#relay?.fail('upstream_timeout', 'response_timeout')
        return
      case 'body':
        if (isClientBlocked) this.#relay?.fail('client_closed', 'idle_timeout')
        else this.#relay?.fail('upstream_timeout', 'idle_timeout')
        return
      case 'deciding':
      case 'upgraded':
        return
    }
  }
}
