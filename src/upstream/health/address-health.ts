import type {
  AddressState,
  CheckRules,
  EjectionRules,
  FailureKind,
  RouteBreaker,
} from '../../model/upstream/health-rules.ts'
import { CircuitBreaker } from './circuit-breaker.ts'
import { FailureSet } from './failure-set.ts'

/** How much is under way at an address: requests with a connection, and those that wait for one. */
export interface AddressLoad {
  readonly busy: number
  readonly queued: number
}

/** What an address asks of those that stand beside it. */
export interface AddressOwner {
  /** Whether one more may be left out: never more than half. */
  mayEject(nowMs: number): boolean
  /** An address is in another state. */
  onState(address: AddressHealth, state: AddressState): void
}

/** What is known of one upstream address of one route; moments are milliseconds of a clock that does not go back. */
export class AddressHealth {
  /** `http:` or `https:` URL without path. */
  readonly origin: string
  /** Null where the route has none. */
  readonly breaker: CircuitBreaker | null
  readonly #breakerFails: FailureSet
  readonly #ejection: EjectionRules | null
  readonly #ejectionFails: FailureSet
  /** Who stands beside it: of the configuration in force. */
  owner: AddressOwner
  /** Of its pool; null before it has one. */
  load: AddressLoad | null = null
  /** Failures in a row. */
  #inARow = 0
  #ejections = 0
  #ejectedForMs = 0
  #ejectedUntilMs = -1
  /** End of the last ejection. */
  #servedSinceMs = -Infinity
  #checksInARow = 0
  #isUnhealthy = false
  /** The state that others know. */
  #told: AddressState = 'serving'

  constructor(
    origin: string,
    rules: { readonly breaker: RouteBreaker | null; readonly ejection: EjectionRules | null },
    owner: AddressOwner,
  ) {
    this.origin = origin
    this.owner = owner
    const { breaker, ejection } = rules
    this.breaker = breaker === null ? null : new CircuitBreaker(breaker, () => this.#tell())
    this.#breakerFails = new FailureSet(breaker?.failsOn ?? [])
    this.#ejection = ejection
    this.#ejectionFails = new FailureSet(ejection?.failsOn ?? [])
  }

  get state(): AddressState {
    const breaker = this.breaker?.state ?? 'closed'
    if (breaker !== 'closed') return breaker
    if (this.#ejectedUntilMs >= 0) return 'ejected'
    return this.#isUnhealthy ? 'unhealthy' : 'serving'
  }

  /** Whether a request may be sent there; one that finds a breaker whose time is over is its trial. */
  canTry(nowMs: number): boolean {
    return this.breaker === null || this.breaker.canTry(nowMs)
  }

  /** Whether the breaker would let a request pass. Changes nothing. */
  isPassable(nowMs: number): boolean {
    return this.breaker === null || this.breaker.isPassable(nowMs)
  }

  /** Milliseconds until it would; 0 for now. */
  waitMs(nowMs: number): number {
    return this.breaker?.waitMs(nowMs) ?? 0
  }

  /** Whether it should get requests while there are others: neither ejected nor found unhealthy. */
  isWell(nowMs: number): boolean {
    return !this.isEjected(nowMs) && !this.#isUnhealthy
  }

  /** Whether it is left out; when the time for that is over, it is not from now on. */
  isEjected(nowMs: number): boolean {
    if (this.#ejectedUntilMs < 0) return false
    if (nowMs < this.#ejectedUntilMs) return true
    this.#ejectedUntilMs = -1
    this.#inARow = 0
    this.#tell()
    return false
  }

  /** A request was answered. */
  answered(status: number, nowMs: number): void {
    const { breaker } = this
    if (breaker !== null) {
      if (this.#breakerFails.hasStatus(status)) breaker.failed(nowMs)
      else breaker.succeeded(nowMs)
    }
    if (this.#ejection === null) return
    if (this.#ejectionFails.hasStatus(status)) this.#count(this.#ejection, nowMs)
    else this.#inARow = 0
  }

  /** A request failed without an answer. */
  failed(kind: FailureKind, nowMs: number): void {
    if (this.breaker !== null) {
      if (this.#breakerFails.hasKind(kind)) this.breaker.failed(nowMs)
      else this.breaker.abandoned(nowMs)
    }
    if (this.#ejection !== null && this.#ejectionFails.hasKind(kind)) this.#count(this.#ejection, nowMs)
  }

  /** A request ended for a reason that says nothing of the address. */
  abandoned(nowMs: number): void {
    this.breaker?.abandoned(nowMs)
  }

  /** It was asked whether it is well. */
  checked(isWell: boolean, rules: CheckRules): void {
    if (isWell !== this.#isUnhealthy) {
      this.#checksInARow = 0
      return
    }
    this.#checksInARow++
    if (this.#checksInARow < (isWell ? rules.healthyAfter : rules.unhealthyAfter)) return
    this.#checksInARow = 0
    this.#isUnhealthy = !isWell
    this.#tell()
  }

  /** It is not asked any more: nothing is known against it. */
  unchecked(): void {
    this.#checksInARow = 0
    if (!this.#isUnhealthy) return
    this.#isUnhealthy = false
    this.#tell()
  }

  #count({ failures, minMs, maxMs }: EjectionRules, nowMs: number): void {
    this.#inARow++
    if (this.#inARow < failures || this.isEjected(nowMs) || !this.owner.mayEject(nowMs)) return
    // It has served for as long as it was left out: what was before is forgotten.
    if (nowMs - this.#servedSinceMs >= this.#ejectedForMs) this.#ejections = 0
    this.#inARow = 0
    this.#ejectedForMs = Math.min(maxMs, minMs * 2 ** Math.min(this.#ejections, 30))
    this.#ejections++
    this.#ejectedUntilMs = nowMs + this.#ejectedForMs
    this.#servedSinceMs = this.#ejectedUntilMs
    this.#tell()
  }

  /** Of several things that are wrong the worst is the state: the others come and go behind it. */
  #tell(): void {
    const { state } = this
    if (state === this.#told) return
    this.#told = state
    this.owner.onState(this, state)
  }
}
