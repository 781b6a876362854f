import type { Clock } from '../../lib/time/clock.ts'
import type { Challenge } from './challenge.ts'
import { Recent } from './recent.ts'

/** Repositories (and tenants' hosts) of one route whose challenges are known; another one costs a request. */
const MAX_KNOWN = 1024
const MAX_CHARS = 1024 * 1024
/** How long an upstream that asked for no token is taken at its word, before an upload. */
const NONE_MS = 60_000

/** What the upstreams of a route ask for, as far as they have said: saves the request that would only be told. */
export class Challenges {
  readonly #clock: Clock
  readonly #known = new Recent<Challenge>({ maxEntries: MAX_KNOWN, maxSize: MAX_CHARS })
  readonly #none = new Recent<number>({ maxEntries: MAX_KNOWN, maxSize: MAX_CHARS })

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** What an origin will ask for; `scope` is what its path makes expect. Null for what is not known. */
  expect(origin: string, scope: string): Challenge | null {
    const exact = this.#known.get(`${origin} ${scope}`)
    if (exact !== undefined) return exact
    const other = this.#known.get(origin)
    return other === undefined ? null : { ...other, scope }
  }

  /** `scope` is what was expected; null when nothing was. */
  learn(origin: string, scope: string | null, challenge: Challenge): void {
    const chars = challenge.realm.length + challenge.service.length + challenge.scope.length
    this.#known.set(origin, challenge, chars)
    if (scope !== null) this.#known.set(`${origin} ${scope}`, challenge, chars)
    this.#none.delete(origin)
  }

  /** It asks for none, at least not now. */
  forget(origin: string, scope: string | null): void {
    this.#known.delete(origin)
    if (scope !== null) this.#known.delete(`${origin} ${scope}`)
    this.#none.set(origin, this.#clock.nowMs() + NONE_MS, 0)
  }

  /** Whether it has said of late that it asks for none. */
  asksForNone(origin: string): boolean {
    return (this.#none.get(origin) ?? 0) > this.#clock.nowMs()
  }
}
