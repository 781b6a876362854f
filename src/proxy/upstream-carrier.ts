import type { Outcome, Reason } from '../model/outcome.ts'
import type { ClientResponse } from './exchange/client.ts'
import type { Carrier, Exchange } from './exchange/exchange.ts'
import type { Dispatcher } from '../upstream/dispatcher.ts'
import { answerRefusal } from './answers/own-answers.ts'
import { Relay, type RelayOwner } from './relay.ts'
import { Upload, type UploadOwner } from './upload.ts'
import { NOT_QUEUED, type UpstreamRequest } from '../upstream/request.ts'
import { upstreamRequest } from './upstream-request.ts'

/**
 * Sends an admitted request upstream, once more where that is safe (docs/decisions/0012), and ends it when one of its phases lasts too long. One
 * object per exchange.
 */
export class UpstreamCarrier implements Carrier, RelayOwner, UploadOwner {
  readonly #exchange: Exchange
  readonly #res: ClientResponse
  readonly #dispatcher: Dispatcher
  readonly #upload: Upload | null
  readonly #request: UpstreamRequest
  #isSecond = false
  #relay: Relay | null = null
  #place = NOT_QUEUED

  /** `via` is this gateway's pseudonym in Via fields. */
  constructor(exchange: Exchange, dispatcher: Dispatcher, via: string) {
    this.#exchange = exchange
    this.#res = exchange.res
    this.#dispatcher = dispatcher
    const { body } = exchange
    const isWhole = body === null || Buffer.isBuffer(body)
    this.#upload = isWhole ? null : new Upload(exchange, body, this)
    if (isWhole && body !== null) exchange.bytesReceived = body.length
    // It comes in the turn of the arrival, but for a tunnel, after the answers before it, and for what has waited.
    const isLater = exchange.asksForTunnel || exchange.hasWaited
    const tick = isLater ? performance.now() : exchange.startedTick
    this.#request = upstreamRequest(exchange, via, isWhole ? body : this.#upload, tick)
  }

  /** Sends the request, or queues it. */
  send(): void {
    this.#dispatch(this.#request)
  }

  #dispatch(request: UpstreamRequest): void {
    const exchange = this.#exchange
    exchange.carrier = this
    const relay = new Relay(exchange, this.#res, this.#upload, this)
    this.#relay = relay
    exchange.enter('queued', request.route.headerTimeoutMs, request.tick)
    const place = this.#dispatcher.dispatch(request, relay)
    // Unless it has been sent once more by now.
    if (relay === this.#relay) this.#place = place
  }

  /** See UploadOwner. */
  onTooLarge(): void {
    this.#relay?.fail('body_too_large', null)
  }

  /** See RelayOwner: only what changes nothing and has no body, and only once (RFC 9110 §9.2.2). */
  retry(): boolean {
    const { method, body } = this.#request
    const isSafe = (method === 'GET' || method === 'HEAD' || method === 'OPTIONS') && body === null
    if (this.#isSecond || !isSafe || this.#exchange.isClosed) return false
    this.#isSecond = true
    this.#dispatch({ ...this.#request, tick: performance.now() })
    return true
  }

  /** See RelayOwner. */
  refuse(outcome: Outcome, reason: Reason | null): void {
    if (this.#exchange.isClosed || this.#res.headersSent) return
    answerRefusal(this.#exchange, outcome, reason)
  }

  /** See Carrier. */
  cancel(): void {
    this.#place.leave()
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
