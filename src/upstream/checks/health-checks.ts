import { type Clock, systemClock } from '../../lib/time/clock.ts'
import { Periodic } from '../../lib/time/periodic.ts'
import type { Route } from '../../model/route.ts'
import type { CheckRules } from '../../model/upstream/health-rules.ts'
import type { AddressHealth } from '../health/address-health.ts'
import type { HealthBook } from '../health/health-book.ts'
import { DEFAULT_POOL_OPTIONS, OriginPool } from '../origin-pool.ts'
import { ask } from '../tokens/ask.ts'
import { getRequest } from '../tokens/token-request.ts'

/** A health page has less; of more nobody would read the rest. */
const MAX_BYTES = 1_048_576
/** At random so much longer than the interval, so that not all gateways ask at once. */
const JITTER = 0.1
/** No connection is used twice: a check is also whether one can be made. */
const FRESH_CONNECTIONS = { ...DEFAULT_POOL_OPTIONS, maxAgeMs: 0 }

/** Asks upstream addresses whether they are well, on connections of its own and whatever their breakers say. Keeps no process alive. */
export class HealthChecks {
  readonly #book: HealthBook
  readonly #clock: Clock
  #checks: AddressCheck[] = []
  #routes: readonly Route[] = []
  #isStarted = false

  constructor(book: HealthBook, clock: Clock = systemClock) {
    this.#book = book
    // Nobody waits for a check.
    const later = (ms: number, fn: () => void): (() => void) => clock.later(ms, fn)
    this.#clock = { nowMs: () => clock.nowMs(), after: later, later, turn: () => clock.turn() }
  }

  /** Begins to ask. */
  start(): void {
    this.#isStarted = true
    this.apply(this.#routes)
  }

  /** Takes over the routes of a configuration, once its book has. */
  apply(routes: readonly Route[]): void {
    this.#routes = routes
    if (!this.#isStarted) return
    this.#end()
    for (const route of routes) {
      const { healthCheck: rules = null } = route
      if (rules === null) continue
      for (const address of this.#book.of(route)?.addresses ?? [])
        this.#checks.push(new AddressCheck(route, rules, address, this.#clock))
    }
  }

  /** Asks nothing any more. */
  stop(): void {
    this.#isStarted = false
    this.#end()
  }

  #end(): void {
    for (const check of this.#checks) check.stop()
    this.#checks = []
  }
}

/** One address that is asked. */
class AddressCheck {
  readonly #route: Route
  readonly #rules: CheckRules
  readonly #address: AddressHealth
  readonly #pool: OriginPool
  readonly #clock: Clock
  readonly #periodic: Periodic
  #isStopped = false

  constructor(route: Route, rules: CheckRules, address: AddressHealth, clock: Clock) {
    this.#route = route
    this.#rules = rules
    this.#address = address
    this.#clock = clock
    const { origin } = address
    const alone = { ...route, maxConnections: 1, maxQueued: 1 }
    this.#pool = new OriginPool({ route: alone, origin, standing: 'upstream' }, FRESH_CONNECTIONS)
    this.#periodic = new Periodic({
      run: () => this.#run(),
      intervalMs: rules.intervalMs,
      pace: 'rest',
      jitter: JITTER,
      clock,
    })
    this.#periodic.start(0)
  }

  stop(): void {
    this.#isStopped = true
    void this.#periodic.stop(0)
    void this.#pool.destroy()
  }

  #run(): Promise<void> {
    const { origin } = this.#address
    const request = getRequest(this.#route, { origin, path: this.#rules.path, standing: 'upstream' })
    const bounds = { ms: this.#rules.timeoutMs, maxBytes: MAX_BYTES, clock: this.#clock }
    return new Promise((resolve) => {
      ask(this.#pool, { ...request, route: this.#route }, bounds, (answer) => {
        if (!this.#isStopped) this.#address.checked(answer !== null && answer.status < 400, this.#rules)
        resolve()
      })
    })
  }
}
