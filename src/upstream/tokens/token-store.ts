import type { Clock } from '../../lib/time/clock.ts'
import type { Route } from '../../model/route.ts'
import type { TokenRules } from '../../model/upstream/token-rules.ts'
import type { Dispatcher } from '../dispatcher.ts'
import { ask, type WholeAnswer } from './ask.ts'
import { bearerChallenge, type Challenge } from './challenge.ts'
import { Flights } from './flights.ts'
import { Recent } from './recent.ts'
import { issuedToken } from './token-answer.ts'
import type { TokenCounts } from './token-counters.ts'
import { getRequest, tokenRequest } from './token-request.ts'

/** A token, and since when the gateway has it: when it was asked for, in the clock's milliseconds. */
export interface HeldToken {
  /** A secret. */
  readonly token: string
  readonly askedMs: number
}

/** What is kept under a scope: a token, or that there is none. */
interface Kept {
  readonly held: HeldToken | null
  readonly untilMs: number
}

export interface TokenStoreParts {
  readonly next: Dispatcher
  readonly route: Route
  readonly rules: TokenRules
  readonly clock: Clock
  readonly counts: TokenCounts
}

/** Tokens of one route: one for each repository and kind of access; another one costs a fetch. */
const MAX_TOKENS = 1024
const MAX_CHARS = 4 * 1024 * 1024
/** What a token server says besides its token is little. */
const MAX_ANSWER_BYTES = 65_536
/** Clients repeat what was refused at once, several times over. */
const REFUSED_MS = 2000
/** A client that waits gives up after 15 s. */
const MAX_FETCH_MS = 10_000

/** Fetches the tokens of a route, and keeps each until shortly before it expires. Dies with its route: others have other credentials. */
export class TokenStore {
  readonly #parts: TokenStoreParts
  readonly #kept = new Recent<Kept>({ maxEntries: MAX_TOKENS, maxSize: MAX_CHARS })
  readonly #fetches = new Flights<HeldToken | null>()
  readonly #probes = new Flights<Challenge | 'none' | null>()

  constructor(parts: TokenStoreParts) {
    this.#parts = parts
  }

  /**
   * Calls back with the token that an upstream at `origin` asks for, at once if it is kept; with null when there is none to be had. The
   * result ends the wait.
   */
  obtain(origin: string, challenge: Challenge, waiter: (held: HeldToken | null) => void): () => void {
    const key = keyOf(origin, challenge)
    const kept = this.#kept.get(key)
    if (kept !== undefined && kept.untilMs > this.#parts.clock.nowMs()) {
      waiter(kept.held)
      return () => {}
    }
    return this.#fetches.join(key, (done) => this.#fetch(origin, challenge, done), waiter)
  }

  /** The upstream has refused this token. `isFresh`: it was fetched for the request that was refused, so the next would be no better. */
  drop(origin: string, challenge: Challenge, token: string, isFresh: boolean): void {
    const key = keyOf(origin, challenge)
    // Unless a newer one is there: many hear of it, one after the other.
    if (this.#kept.get(key)?.held?.token !== token) return
    if (isFresh) this.#keep(key, null, REFUSED_MS)
    else this.#kept.delete(key)
  }

  /** What the registry with this root asks for: `none`, or null when it does not say. The result ends the wait. */
  probe(origin: string, root: string, waiter: (found: Challenge | 'none' | null) => void): () => void {
    const { route } = this.#parts
    const begin = (done: (found: Challenge | 'none' | null) => void): void =>
      this.#ask(getRequest(route, { origin, path: root, standing: 'upstream' }), (answer) => {
        if (answer === null) done(null)
        else done((answer.status === 401 ? bearerChallenge(answer.fields) : null) ?? 'none')
      })
    return this.#probes.join(`${origin} ${root}`, begin, waiter)
  }

  #fetch(origin: string, challenge: Challenge, done: (held: HeldToken | null) => void): void {
    const { route, rules, clock, counts } = this.#parts
    const key = keyOf(origin, challenge)
    const request = tokenRequest(route, rules, origin, challenge)
    if (request === null) {
      counts.not_asked++
      this.#keep(key, null, REFUSED_MS)
      done(null)
      return
    }
    const askedMs = clock.nowMs()
    this.#ask(request, (answer) => {
      const issued = answer?.status === 200 ? issuedToken(answer.body) : null
      if (issued === null) {
        counts[isRefusal(answer) ? 'refused' : 'failed']++
        this.#keep(key, null, REFUSED_MS)
        done(null)
        return
      }
      counts.fetched++
      const held = { token: issued.token, askedMs }
      this.#keep(key, held, askedMs + usedMs(issued.lifeMs) - clock.nowMs())
      done(held)
    })
  }

  #ask(request: Parameters<typeof ask>[1], done: (answer: WholeAnswer | null) => void): void {
    const { next, clock, route } = this.#parts
    const ms = Math.min(route.headerTimeoutMs / 2, MAX_FETCH_MS)
    ask(next, request, { ms, maxBytes: MAX_ANSWER_BYTES, clock }, done)
  }

  #keep(key: string, held: HeldToken | null, ms: number): void {
    this.#kept.set(key, { held, untilMs: this.#parts.clock.nowMs() + ms }, held?.token.length ?? 0)
  }
}

/** By origin too: what one tenant's upstream is given is not for another's to name. */
function keyOf(origin: string, { realm, service, scope }: Challenge): string {
  return JSON.stringify([origin, realm, service, scope])
}

function isRefusal(answer: WholeAnswer | null): boolean {
  return answer !== null && answer.status >= 400 && answer.status < 500
}

/** Not used in its last fifth, or half minute: the request that bears it takes a while to arrive. */
function usedMs(lifeMs: number): number {
  return lifeMs - Math.min(lifeMs / 5, 30_000)
}
