import { HeldBytes } from '../../http/held-bytes.ts'
import type { HeldCall } from '../../model/idempotency/kept-calls.ts'
import type { IdempotencyRules } from '../../model/idempotency/idempotency-rules.ts'
import type { Dispatcher } from '../../upstream/dispatcher.ts'
import type { Dispatched, ResponseReceiver, ResponseSource, UpstreamRequest } from '../../upstream/request.ts'
import { isKeptStatus, isStream, keptFields } from './kept-answer.ts'

/** What the recorder needs of the exchange whose answer it keeps. */
export interface RecorderParts {
  readonly call: HeldCall
  readonly rules: Pick<IdempotencyRules, 'ttlMs' | 'maxAnswerBytes'>
  /** Whether so many more bytes may be held. */
  readonly hold: (bytes: number) => boolean
  /** The answer moves on, although its client sees nothing of it. */
  readonly touch: () => void
  /** Ends the exchange after what should never happen. */
  readonly fail: (error: unknown) => void
}

/**
 * Holds one answer back until it is whole and kept, so that a client that has it can repeat its request at once and gets it again.
 *
 *     holding ──the end──► settling ──kept, or let go──► handed on
 *        └──too large, or a stream──► passing on ──the end──► settling ──► its end is handed on
 */
export class AnswerRecorder implements ResponseReceiver, ResponseSource {
  isUpstream = true
  readonly #receiver: ResponseReceiver
  readonly #parts: RecorderParts
  readonly #held: HeldBytes
  #source: ResponseSource | null = null
  #status = 0
  /** Null when they are too large to keep. */
  #fields: readonly string[] | null = []
  #isHolding = true
  /** What the receiver gets is ours, and stays where it is. */
  #isHandingOn = false
  /** The upstream's connection serves others by now. */
  #isDone = false

  private constructor(receiver: ResponseReceiver, parts: RecorderParts) {
    this.#receiver = receiver
    this.#parts = parts
    this.#held = new HeldBytes(parts.rules.maxAnswerBytes)
  }

  /** A dispatcher for one request, which keeps what comes of it. */
  static around(next: Dispatcher, parts: RecorderParts): Dispatcher {
    return {
      dispatch: (request: UpstreamRequest, receiver: ResponseReceiver): Dispatched =>
        next.dispatch(request, new AnswerRecorder(receiver, parts)),
    }
  }

  onConnect(source: ResponseSource): boolean {
    this.#source = source
    this.isUpstream = source.isUpstream
    return this.#receiver.onConnect(this)
  }

  onHeaders(status: number, fields: string[], statusText: string): void {
    if (status >= 200) {
      this.#status = status
      this.#fields = keptFields(fields)
      if (isStream(fields)) this.#isHolding = false
    }
    this.#receiver.onHeaders(status, fields, statusText)
  }

  onData(bytes: Buffer): boolean {
    // Its end may have to wait: of no piece it is said that it is the last.
    if (!this.#isHolding) return this.#receiver.onData(bytes, false)
    this.#parts.touch()
    const total = this.#held.length + bytes.length
    if (total <= this.#parts.rules.maxAnswerBytes && this.#parts.hold(bytes.length)) {
      this.#held.append(bytes, 0)
      return true
    }
    this.#isHolding = false
    const held = this.#take()
    if (held.length > 0) this.#handOn(held, false)
    return this.#receiver.onData(bytes, false)
  }

  onPause(): void {
    if (!this.#isHolding) this.#receiver.onPause()
  }

  onEnd(trailers: string[], isCut: boolean): void {
    this.#isDone = true
    if (isCut) {
      // What came of it is nobody's: the receiver breaks off.
      this.#settleThen(this.#parts.call.release(), () => this.#receiver.onEnd(trailers, true))
      return
    }
    const body = this.#take()
    this.#parts.touch()
    this.#settleThen(this.#settle(body), () => {
      if (this.#isHolding && body.length > 0) this.#handOn(body, true)
      this.#receiver.onEnd(trailers, false)
    })
  }

  onError(error: NodeJS.ErrnoException, isUnheard: boolean): void {
    this.#isDone = true
    this.#take()
    this.#settleThen(this.#parts.call.release(), () => this.#receiver.onError(error, isUnheard))
  }

  moved(): number {
    const moved = this.#receiver.moved()
    return moved < 0 ? moved : moved + this.#held.length
  }

  movingSince(): number {
    return this.#receiver.movingSince()
  }

  giveWay(): void {
    this.#receiver.giveWay()
  }

  /** See ResponseSource. */
  resume(): void {
    if (!this.#isDone) this.#source?.resume()
  }

  /** See ResponseSource. */
  hold(bytes: Buffer): Buffer {
    return this.#isHandingOn ? bytes : (this.#source?.hold(bytes) ?? bytes)
  }

  /** See ResponseSource. */
  abort(error: Error): void {
    if (!this.#isDone) this.#source?.abort(error)
  }

  #settle(body: Buffer): Promise<void> {
    const { call, rules } = this.#parts
    if (!isKeptStatus(this.#status)) return call.release()
    const fields = this.#isHolding ? this.#fields : null
    return call.keep(fields === null ? null : { status: this.#status, fields, body }, rules.ttlMs)
  }

  #settleThen(settled: Promise<void>, then: () => void): void {
    settled.then(then).catch(this.#parts.fail)
  }

  #take(): Buffer {
    const body = this.#held.view()
    this.#held.clear()
    return body
  }

  #handOn(bytes: Buffer, isLast: boolean): void {
    this.#isHandingOn = true
    this.#receiver.onData(bytes, isLast)
    this.#isHandingOn = false
  }
}
