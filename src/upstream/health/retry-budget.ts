import { RollingOutcomes } from './rolling-outcomes.ts'

/** How far back requests and retries count. */
const WINDOW_MS = 10_000

/** How many retries a route has left: a part of its requests, so that an upstream in trouble does not get a multiple of them. */
export class RetryBudget {
  readonly #share: number
  readonly #perSecond: number
  /** Requests, and as failures the retries. */
  readonly #recent = new RollingOutcomes(WINDOW_MS)

  /** `share` of the requests of the last 10 s may be sent again, and `perSecond` however few they are. */
  constructor(share: number, perSecond: number) {
    this.#share = share
    this.#perSecond = perSecond
  }

  /** A request came. */
  deposit(nowMs: number): void {
    this.#recent.add(false, nowMs)
  }

  /** Whether one more may be sent again, which is counted. */
  withdraw(nowMs: number): boolean {
    const recent = this.#recent
    recent.forget(nowMs)
    const requests = recent.attempts - recent.failures
    const most = this.#share * requests + (this.#perSecond * WINDOW_MS) / 1000
    if (recent.failures + 1 > most) return false
    recent.add(true, nowMs)
    return true
  }
}
