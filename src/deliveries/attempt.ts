import { readRateLimit, retryAfterMs } from '../http/rate-limit-fields.ts'
import { AccessEntry, capText, ENTRY_TEXT_MAX, type EntrySink } from '../model/access-entry.ts'
import type { Outcome, Reason } from '../model/outcome.ts'
import { hostOf } from '../model/upstream/upstream-place.ts'
import type { Dispatcher } from '../upstream/dispatcher.ts'
import { RequestGoneError, upstreamFailure } from '../upstream/failure.ts'
import {
  NOT_QUEUED,
  type Dispatched,
  type RequestNotes,
  type ResponseReceiver,
  type ResponseSource,
  type UpstreamRequest,
} from '../upstream/request.ts'

/** What is read of an answer, which is nobody's: more of it costs the connection. */
const MAX_ANSWER_BYTES = 64 * 1024

/** How an attempt ended. */
export interface AttemptEnd {
  /** The receiver's; null for none. */
  readonly status: number | null
  /** Why there is no status; null for one. */
  readonly reason: Reason | null
  /** The receiver's wish, milliseconds; null for none. */
  readonly retryAfterMs: number | null
}

/** What its entry is made of beside what happened. */
export interface AttemptFacts {
  readonly tenant: string
  readonly deliveryId: string
  readonly traceId: string
  readonly startedAtMs: number
  /** At the gateway, redacted: as the sender's entry has it. */
  readonly path: string
  /** Its place in the log was promised. */
  readonly isReserved: boolean
}

export interface AttemptParts {
  readonly dispatcher: Dispatcher
  readonly sink: EntrySink
  /** Calls back once after milliseconds; the result cancels. */
  readonly later: (ms: number, fn: () => void) => () => void
}

/** Sends a letter to its receiver, once. Resolves with how that ended; never rejects. One entry is pushed, in any case. */
export function attempt(
  parts: AttemptParts,
  request: Omit<UpstreamRequest, 'notes'>,
  facts: AttemptFacts,
  timeoutMs: number,
): Promise<AttemptEnd> {
  return new Promise((resolve) => {
    new Attempt(parts, facts, resolve).send(request, timeoutMs)
  })
}

class Attempt implements ResponseReceiver, RequestNotes {
  upstream = ''
  digest = ''
  upstreamLimit = ''
  reason: Reason | null = null
  readonly #parts: AttemptParts
  readonly #facts: AttemptFacts
  readonly #resolve: (end: AttemptEnd) => void
  readonly #startedTick = performance.now()
  #request: Omit<UpstreamRequest, 'notes'> | null = null
  #place: Dispatched = NOT_QUEUED
  #source: ResponseSource | null = null
  #cancelTimeout = (): void => {}
  #status: number | null = null
  #respondedTick = -1
  #retryAfterMs: number | null = null
  #received = 0
  #isOver = false

  constructor(parts: AttemptParts, facts: AttemptFacts, resolve: (end: AttemptEnd) => void) {
    this.#parts = parts
    this.#facts = facts
    this.#resolve = resolve
  }

  send(request: Omit<UpstreamRequest, 'notes'>, timeoutMs: number): void {
    this.#request = request
    this.upstream = hostOf(request.origin)
    this.#cancelTimeout = this.#parts.later(timeoutMs, () => this.#timeOut())
    try {
      const place = this.#parts.dispatcher.dispatch({ ...request, notes: this }, this)
      if (!this.#isOver) this.#place = place
    } catch (error) {
      this.#end(upstreamFailure(error as NodeJS.ErrnoException).reason ?? 'protocol')
    }
  }

  /** See RequestNotes. */
  timeAt(tick: number): number {
    return this.#facts.startedAtMs + tick - this.#startedTick
  }

  /** See ResponseReceiver. */
  onConnect(source: ResponseSource): boolean {
    if (this.#isOver) return false
    this.#source = source
    return true
  }

  /** See ResponseReceiver. */
  onHeaders(status: number, fields: string[]): void {
    if (status < 200 || this.#status !== null) return
    this.#status = status
    this.#respondedTick = performance.now()
    const nowMs = this.timeAt(this.#respondedTick)
    this.#retryAfterMs = retryAfterMs(fields, nowMs)
    this.upstreamLimit = readRateLimit(fields, status, nowMs)
  }

  /** See ResponseReceiver. */
  onData(bytes: Buffer): boolean {
    this.#received += bytes.length
    if (this.#received > MAX_ANSWER_BYTES) {
      this.#end(null)
      this.#source?.abort(new RequestGoneError())
    }
    return true
  }

  /** See ResponseReceiver. */
  onPause(): void {}

  /** See ResponseReceiver. What the head said holds, however the body ends. */
  onEnd(): void {
    this.#end(this.#status === null ? 'protocol' : null)
  }

  /** See ResponseReceiver. */
  onError(error: NodeJS.ErrnoException): void {
    this.#end(this.#status === null ? (upstreamFailure(error).reason ?? 'protocol') : null)
  }

  /** See Transfer. */
  moved(): number {
    return -1
  }

  /** See Transfer. */
  movingSince(): number {
    return this.#startedTick
  }

  /** See Transfer. */
  giveWay(): void {}

  #timeOut(): void {
    this.#end(this.#status === null ? 'attempt_timeout' : null)
    if (!this.#place.leave()) this.#source?.abort(new RequestGoneError())
  }

  #end(reason: Reason | null): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#cancelTimeout()
    const isDelivered = reason === null && isSuccess(this.#status)
    const told = reason ?? (isDelivered ? null : 'status')
    this.#parts.sink.push(this.#entry(isDelivered ? 'delivered' : 'delivery_failed', told))
    this.#resolve({
      status: reason === null ? this.#status : null,
      reason: told,
      retryAfterMs: this.#retryAfterMs,
    })
  }

  #entry(outcome: Outcome, reason: Reason | null): AccessEntry {
    const request = this.#request
    const { tenant, deliveryId, traceId, startedAtMs, path, isReserved } = this.#facts
    const entry = new AccessEntry()
    entry.startedAtMs = startedAtMs
    entry.tenant = tenant
    entry.route = request?.route.name ?? ''
    entry.kind = request?.route.kind ?? ''
    entry.method = capText(request?.method ?? '', ENTRY_TEXT_MAX.method)
    entry.path = capText(path, ENTRY_TEXT_MAX.path)
    entry.standing = isReserved ? 'held' : 'firm'
    entry.status = this.#status ?? (reason === 'attempt_timeout' ? 504 : 502)
    entry.outcome = outcome
    entry.reason = reason
    entry.bytesReceived = this.#received
    entry.bytesSent = Buffer.isBuffer(request?.body) ? request.body.length : 0
    entry.durationUs = Math.round((performance.now() - this.#startedTick) * 1000)
    entry.upstreamUs =
      this.#respondedTick < 0 ? -1 : Math.round((this.#respondedTick - this.#startedTick) * 1000)
    entry.upstream = this.upstream
    entry.requestId = deliveryId
    entry.traceId = traceId
    entry.upstreamLimit = this.upstreamLimit
    return entry
  }
}

/** A receiver has taken it (RFC 9110 §15.3). */
export function isSuccess(status: number | null): boolean {
  return status !== null && status >= 200 && status < 300
}
