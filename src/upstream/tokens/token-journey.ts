import type { Clock } from '../../lib/time/clock.ts'
import type { Dispatcher } from '../dispatcher.ts'
import { RequestGoneError, UpstreamAuthError } from '../failure.ts'
import {
  NOT_QUEUED,
  type Dispatched,
  type ResponseReceiver,
  type ResponseSource,
  type UpstreamRequest,
} from '../request.ts'
import { bearerChallenge, type Challenge } from './challenge.ts'
import type { Challenges } from './challenges.ts'
import { expectedScope, registryRoot } from './scope.ts'
import type { HeldToken, TokenStore } from './token-store.ts'

export interface TokenJourneyParts {
  readonly next: Dispatcher
  readonly store: TokenStore
  readonly challenges: Challenges
  readonly clock: Clock
}

/** What a 401 says besides its challenge is nobody's; more of it than this costs its connection. */
const MAX_PASSED_OVER = 65_536
/** Without a token, with one that was withdrawn meanwhile, and with a fresh one. */
const MAX_SENDS = 3

/** What a request bore when it was sent. */
interface Borne {
  readonly challenge: Challenge
  readonly held: HeldToken
}

/**
 * One request and the tokens that it needs. Its receiver hears of one connection and one answer, and of no challenge.
 *
 *     [obtaining] ──► asked ──401──► passing over ──its end──► obtaining ──► asked (with a token)
 *                       └──any other answer──► answered
 *
 * Begins by obtaining where it is known what the upstream will ask for. A body that streams can be sent only once: then it is found out
 * before.
 */
export class TokenJourney implements ResponseReceiver, ResponseSource, Dispatched {
  isUpstream = true
  readonly #parts: TokenJourneyParts
  readonly #request: UpstreamRequest
  readonly #receiver: ResponseReceiver
  readonly #scope: string | null
  readonly #startedMs: number
  #place: Dispatched = NOT_QUEUED
  #source: ResponseSource | null = null
  #borne: Borne | null = null
  #sends = 0
  /** Goes on when the 401's body has been passed over; null while an answer is awaited or handed on. */
  #afterwards: (() => void) | null = null
  #passedOver = 0
  #leaveWait: (() => void) | null = null
  #hasConnected = false
  #isOver = false

  constructor(parts: TokenJourneyParts, request: UpstreamRequest, receiver: ResponseReceiver) {
    this.#parts = parts
    this.#request = request
    this.#receiver = receiver
    this.#scope = expectedScope(request.method, request.path)
    this.#startedMs = parts.clock.nowMs()
  }

  start(): Dispatched {
    const { origin, path } = this.#request
    const expected = this.#expected()
    const root = registryRoot(path)
    const { challenges, store } = this.#parts
    if (expected !== null) this.#obtain(expected, () => this.#sendWithout())
    else if (this.#isRepeatable || this.#scope === null || root === null || challenges.asksForNone(origin))
      this.#send(null)
    else
      this.#wait<Challenge | 'none' | null>(
        (done) => store.probe(origin, root, done),
        (found) => this.#onProbed(found),
      )
    return this
  }

  /** See Dispatched: also while a token is awaited. Once connected, `abort` ends it. */
  leave(): boolean {
    if (this.#hasConnected || this.#isOver) return false
    if (this.#leaveWait === null) return this.#place.leave()
    this.#isOver = true
    this.#leaveWait()
    return true
  }

  onConnect(source: ResponseSource): boolean {
    if (this.#isOver) return false
    this.#source = source
    if (this.#hasConnected) return true
    this.#hasConnected = true
    this.isUpstream = source.isUpstream
    return this.#receiver.onConnect(this)
  }

  onHeaders(status: number, fields: string[], statusText: string): void {
    if (this.#isOver) return
    if (status !== 401) {
      this.#receiver.onHeaders(status, fields, statusText)
      return
    }
    const challenge = bearerChallenge(fields)
    if (challenge !== null) this.#onChallenge(challenge)
    else if (this.#borne !== null) this.#onOtherChallenge()
    else if (this.#isForClient) this.#receiver.onHeaders(status, fields, statusText)
    else this.#fail(new UpstreamAuthError())
  }

  onData(bytes: Buffer, isLast: boolean): boolean {
    if (this.#isOver) return true
    if (this.#afterwards === null) return this.#receiver.onData(bytes, isLast)
    this.#passedOver += bytes.length
    // `onError` follows, and goes on.
    if (this.#passedOver > MAX_PASSED_OVER) this.#source?.abort(new RequestGoneError())
    return true
  }

  onPause(): void {
    if (this.#afterwards === null && !this.#isOver) this.#receiver.onPause()
  }

  onEnd(trailers: string[], isCut: boolean): void {
    if (this.#isOver) return
    if (this.#afterwards === null) this.#receiver.onEnd(trailers, isCut)
    else this.#goOn(this.#afterwards)
  }

  onError(error: NodeJS.ErrnoException, isUnheard: boolean): void {
    if (this.#isOver) return
    // The challenge came, and nothing else of that answer is wanted.
    if (this.#afterwards !== null) {
      this.#goOn(this.#afterwards)
      return
    }
    this.#isOver = true
    this.#receiver.onError(error, isUnheard)
  }

  moved(): number {
    return this.#receiver.moved()
  }

  movingSince(): number {
    return this.#receiver.movingSince()
  }

  giveWay(): void {
    this.#receiver.giveWay()
  }

  resume(): void {
    this.#source?.resume()
  }

  hold(bytes: Buffer): Buffer {
    return this.#source?.hold(bytes) ?? Buffer.from(bytes)
  }

  abort(error: Error): void {
    this.#fail(error)
  }

  get #isRepeatable(): boolean {
    return this.#request.body === null || Buffer.isBuffer(this.#request.body)
  }

  /** On a public route without a login, whoever asks may log in at the upstream as its challenge wants. */
  get #isForClient(): boolean {
    const { auth, upstream } = this.#request.route
    return auth === 'public' && upstream.hasLogin !== true
  }

  #expected(): Challenge | null {
    return this.#scope === null ? null : this.#parts.challenges.expect(this.#request.origin, this.#scope)
  }

  #onProbed(found: Challenge | 'none' | null): void {
    const { challenges } = this.#parts
    const { origin } = this.#request
    if (found === 'none') challenges.forget(origin, null)
    else if (found !== null) challenges.learn(origin, '', found)
    const expected = found === null || found === 'none' ? null : this.#expected()
    if (expected === null) this.#send(null)
    else this.#obtain(expected, () => this.#sendWithout())
  }

  /** No token was to be had for what was expected: the upstream may ask for another. It cannot be asked twice for a body that streams. */
  #sendWithout(): void {
    if (this.#isRepeatable) this.#send(null)
    else this.#fail(new UpstreamAuthError())
  }

  #onChallenge(challenge: Challenge): void {
    const { challenges, store } = this.#parts
    const { origin } = this.#request
    const borne = this.#borne
    challenges.learn(origin, this.#scope, challenge)
    let isHopeless = !this.#isRepeatable || this.#sends >= MAX_SENDS
    if (borne !== null) {
      const isFresh = borne.held.askedMs >= this.#startedMs && isSame(borne.challenge, challenge)
      store.drop(origin, borne.challenge, borne.held.token, isFresh)
      isHopeless ||= isFresh
    }
    if (isHopeless) this.#fail(new UpstreamAuthError())
    else this.#afterwards = () => this.#obtain(challenge, () => this.#fail(new UpstreamAuthError()))
  }

  /** It takes tokens no more: once more as the route logs in by itself. */
  #onOtherChallenge(): void {
    this.#parts.challenges.forget(this.#request.origin, this.#scope)
    if (this.#isRepeatable && this.#sends < MAX_SENDS) this.#afterwards = () => this.#send(null)
    else this.#fail(new UpstreamAuthError())
  }

  #obtain(challenge: Challenge, orElse: () => void): void {
    this.#wait<HeldToken | null>(
      (done) => this.#parts.store.obtain(this.#request.origin, challenge, done),
      (held) => (held === null ? orElse() : this.#send({ challenge, held })),
    )
  }

  /** For what may be there at once. */
  #wait<T>(begin: (done: (value: T) => void) => () => void, then: (value: T) => void): void {
    let isDone = false
    const leave = begin((value) => {
      isDone = true
      this.#leaveWait = null
      if (!this.#isOver) then(value)
    })
    if (!isDone) this.#leaveWait = leave
  }

  #goOn(afterwards: () => void): void {
    this.#afterwards = null
    this.#passedOver = 0
    this.#source = null
    this.#place = NOT_QUEUED
    afterwards()
  }

  #send(borne: Borne | null): void {
    this.#borne = borne
    const sends = ++this.#sends
    const request = this.#request
    const place = this.#parts.next.dispatch(
      borne === null && sends === 1
        ? request
        : {
            ...request,
            headers: borne === null ? request.headers : withToken(request.headers, borne.held.token),
            tick: performance.now(),
          },
      this,
    )
    // Unless it has been sent once more by now.
    if (sends === this.#sends) this.#place = place
  }

  #fail(error: Error): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#leaveWait?.()
    if (this.#source === null) this.#place.leave()
    else this.#source.abort(error)
    this.#receiver.onError(error, false)
  }
}

function isSame(one: Challenge, other: Challenge): boolean {
  return one.realm === other.realm && one.service === other.service && one.scope === other.scope
}

/** In place of what the route logs in with by itself. */
function withToken(headers: readonly string[], token: string): string[] {
  const kept: string[] = []
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] ?? ''
    if (name.toLowerCase() !== 'authorization') kept.push(name, headers[i + 1] ?? '')
  }
  kept.push('authorization', `Bearer ${token}`)
  return kept
}
