import type { Route } from '../../model/route.ts'
import type { UpstreamStats } from '../../model/stats.ts'
import { RouteHealth, type AddressChange } from './route-health.ts'

/** What is known of the upstream addresses of all routes; a reload keeps what is known of those that it leaves as they are. */
export class HealthBook {
  readonly #onChange: (change: AddressChange) => void
  /** Weak: requests of a replaced configuration still go by its routes. */
  readonly #byRoute = new WeakMap<Route, RouteHealth>()
  #current = new Map<string, RouteHealth>()

  /** `onChange` is told of each change of an address' state; it must not throw. */
  constructor(onChange: (change: AddressChange) => void = () => {}) {
    this.#onChange = onChange
  }

  /** Takes over the routes of a configuration. */
  apply(routes: readonly Route[]): void {
    const before = this.#current
    this.#current = new Map()
    for (const route of routes) {
      const known = this.#byRoute.get(route)
      const health = known ?? new RouteHealth(route, this.#onChange).inherit(before.get(route.name) ?? null)
      this.#byRoute.set(route, health)
      this.#current.set(route.name, health)
    }
  }

  /** Of a route's upstream; null for a route that was never applied. */
  of(route: Route): RouteHealth | null {
    return this.#byRoute.get(route) ?? null
  }

  get stats(): UpstreamStats[] {
    return [...this.#current.values()].flatMap((health) => health.stats)
  }
}
