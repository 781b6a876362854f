import type { Dispatcher } from './dispatcher.ts'
import { RequestGoneError } from './failure.ts'
import {
  NOT_QUEUED,
  type Dispatched,
  type ResponseReceiver,
  type ResponseSource,
  type UpstreamRequest,
} from './request.ts'

/** What an answer that is not handed on says besides its head is nobody's; more of it than this costs its connection. */
const MAX_PASSED_OVER = 65_536

/**
 * One request that may have to be sent more than once until there is the answer that its receiver is to have. The receiver hears of one
 * connection and one answer; all that is passed over is read and thrown away.
 *
 *     asked ──passOver──► passing over ──its end──► what follows ──send──► asked
 *        └──any other answer──► answered
 */
export abstract class Journey implements ResponseReceiver, ResponseSource, Dispatched {
  isUpstream = true
  protected readonly receiver: ResponseReceiver
  readonly #next: Dispatcher
  #place: Dispatched = NOT_QUEUED
  #source: ResponseSource | null = null
  #sends = 0
  /** What follows when the answer's body has been passed over; null while an answer is awaited or handed on. */
  #afterwards: (() => void) | null = null
  #passedOver = 0
  #hasConnected = false
  #isOver = false

  constructor(next: Dispatcher, receiver: ResponseReceiver) {
    this.#next = next
    this.receiver = receiver
  }

  /** An answer's head, informational ones too: hands it on, passes it over, or fails. */
  protected abstract onAnswer(status: number, fields: string[], statusText: string): void

  protected get isOver(): boolean {
    return this.#isOver
  }

  /** Whether a connection was found for it, or an answer that needs none: something may have been sent. */
  protected get hasConnected(): boolean {
    return this.#hasConnected
  }

  /** What comes is of an answer that is not handed on. */
  protected get isPassingOver(): boolean {
    return this.#afterwards !== null
  }

  /** Forgets the attempt that has failed, before another one. */
  protected lose(): void {
    this.#source = null
    this.#place = NOT_QUEUED
  }

  /** How often it has been sent. */
  protected get sends(): number {
    return this.#sends
  }

  protected send(request: UpstreamRequest): void {
    const sends = ++this.#sends
    const place = this.#next.dispatch(request, this)
    // Unless it has been sent once more by now.
    if (sends === this.#sends) this.#place = place
  }

  /** The answer whose head came is nobody's; `afterwards` when it has been read. */
  protected passOver(afterwards: () => void): void {
    this.#passedOver = 0
    this.#afterwards = afterwards
  }

  protected fail(error: Error): void {
    if (this.#isOver) return
    this.#isOver = true
    if (this.#source === null) this.#place.leave()
    else this.#source.abort(error)
    this.receiver.onError(error, false)
  }

  /** Leaves what it waits for before it is connected; false when that is no more to be left. */
  protected leavePlace(): boolean {
    return this.#place.leave()
  }

  /** Ends it with nothing said to the receiver. */
  protected end(): void {
    this.#isOver = true
  }

  /** See Dispatched: in the queue of the first connection. Once connected, `abort` ends it. */
  leave(): boolean {
    return !this.#hasConnected && !this.#isOver && this.leavePlace()
  }

  onConnect(source: ResponseSource): boolean {
    if (this.#isOver) return false
    this.#source = source
    if (this.#hasConnected) return true
    this.#hasConnected = true
    this.isUpstream = source.isUpstream
    return this.receiver.onConnect(this)
  }

  onHeaders(status: number, fields: string[], statusText: string): void {
    if (!this.#isOver) this.onAnswer(status, fields, statusText)
  }

  onData(bytes: Buffer, isLast: boolean): boolean {
    if (this.#isOver) return true
    if (this.#afterwards === null) return this.receiver.onData(bytes, isLast)
    this.#passedOver += bytes.length
    // `onError` follows, and goes on.
    if (this.#passedOver > MAX_PASSED_OVER) this.#source?.abort(new RequestGoneError())
    return true
  }

  onPause(): void {
    if (this.#afterwards === null && !this.#isOver) this.receiver.onPause()
  }

  onEnd(trailers: string[], isCut: boolean): void {
    if (this.#isOver) return
    if (this.#afterwards === null) this.receiver.onEnd(trailers, isCut)
    else this.#goOn(this.#afterwards)
  }

  onError(error: NodeJS.ErrnoException, isUnheard: boolean): void {
    if (this.#isOver) return
    // The head came, and nothing else of that answer is wanted.
    if (this.#afterwards !== null) {
      this.#goOn(this.#afterwards)
      return
    }
    this.#isOver = true
    this.receiver.onError(error, isUnheard)
  }

  moved(): number {
    return this.receiver.moved()
  }

  movingSince(): number {
    return this.receiver.movingSince()
  }

  giveWay(): void {
    this.receiver.giveWay()
  }

  resume(): void {
    this.#source?.resume()
  }

  hold(bytes: Buffer): Buffer {
    return this.#source?.hold(bytes) ?? Buffer.from(bytes)
  }

  abort(error: Error): void {
    this.fail(error)
  }

  #goOn(afterwards: () => void): void {
    this.#afterwards = null
    this.#source = null
    this.#place = NOT_QUEUED
    afterwards()
  }
}
