import type { Clock } from '../../lib/time/clock.ts'
import type { Dispatcher } from '../dispatcher.ts'
import { UpstreamAuthError } from '../failure.ts'
import { Journey } from '../journey.ts'
import type { Dispatched, ResponseReceiver, UpstreamRequest } from '../request.ts'
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
export class TokenJourney extends Journey {
  readonly #parts: TokenJourneyParts
  readonly #request: UpstreamRequest
  readonly #scope: string | null
  readonly #startedMs: number
  #borne: Borne | null = null
  #leaveWait: (() => void) | null = null

  constructor(parts: TokenJourneyParts, request: UpstreamRequest, receiver: ResponseReceiver) {
    super(parts.next, receiver)
    this.#parts = parts
    this.#request = request
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

  /** Also while a token is awaited. */
  protected override leavePlace(): boolean {
    if (this.#leaveWait === null) return super.leavePlace()
    this.end()
    this.#leaveWait()
    return true
  }

  protected override onAnswer(status: number, fields: string[], statusText: string): void {
    if (status !== 401) {
      this.receiver.onHeaders(status, fields, statusText)
      return
    }
    const challenge = bearerChallenge(fields)
    if (challenge !== null) this.#onChallenge(challenge)
    else if (this.#borne !== null) this.#onOtherChallenge()
    else if (this.#isForClient) this.receiver.onHeaders(status, fields, statusText)
    else this.fail(new UpstreamAuthError())
  }

  protected override fail(error: Error): void {
    const leaveWait = this.#leaveWait
    this.#leaveWait = null
    leaveWait?.()
    super.fail(error)
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
    else this.fail(new UpstreamAuthError())
  }

  #onChallenge(challenge: Challenge): void {
    const { challenges, store } = this.#parts
    const { origin } = this.#request
    const borne = this.#borne
    challenges.learn(origin, this.#scope, challenge)
    let isHopeless = !this.#isRepeatable || this.sends >= MAX_SENDS
    if (borne !== null) {
      const isFresh = borne.held.askedMs >= this.#startedMs && isSame(borne.challenge, challenge)
      store.drop(origin, borne.challenge, borne.held.token, isFresh)
      isHopeless ||= isFresh
    }
    if (isHopeless) this.fail(new UpstreamAuthError())
    else this.passOver(() => this.#obtain(challenge, () => this.fail(new UpstreamAuthError())))
  }

  /** It takes tokens no more: once more as the route logs in by itself. */
  #onOtherChallenge(): void {
    this.#parts.challenges.forget(this.#request.origin, this.#scope)
    if (this.#isRepeatable && this.sends < MAX_SENDS) this.passOver(() => this.#send(null))
    else this.fail(new UpstreamAuthError())
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
      if (!this.isOver) then(value)
    })
    if (!isDone) this.#leaveWait = leave
  }

  #send(borne: Borne | null): void {
    this.#borne = borne
    const request = this.#request
    this.send(
      borne === null && this.sends === 0
        ? request
        : {
            ...request,
            headers: borne === null ? request.headers : withToken(request.headers, borne.held.token),
            tick: performance.now(),
          },
    )
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
