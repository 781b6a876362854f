import type { Route } from '../model/route.ts'
import type { Dispatcher, Interceptor } from './dispatcher.ts'
import { balanced } from './steps/balance.ts'
import type { UpstreamPools } from './pools.ts'
import type { Dispatched, ResponseReceiver, UpstreamRequest } from './request.ts'

/**
 * What each route has before its upstream, composed when a configuration is applied.
 *
 *     dispatch ──► [first interceptor ──► … ──► last ──►] pools          most routes have nothing in brackets
 */
export class RouteChains implements Dispatcher {
  readonly #pools: UpstreamPools
  readonly #interceptors: readonly Interceptor[]
  /** Of routes with anything before their pools. Weak: requests of a replaced configuration still go by its routes. */
  readonly #chains = new WeakMap<Route, Dispatcher>()
  #hasChains = false

  constructor(pools: UpstreamPools, interceptors: readonly Interceptor[]) {
    this.#pools = pools
    this.#interceptors = interceptors
  }

  /** Composes the chains of a configuration's routes, and closes the pools of all others; requests on those finish. */
  apply(routes: readonly Route[]): void {
    this.#pools.health.apply(routes)
    for (const route of routes) {
      const chain = this.#interceptors.reduceRight<Dispatcher>(
        (next, intercept) => intercept(next, route),
        balanced(this.#pools, route),
      )
      if (chain === this.#pools) continue
      this.#chains.set(route, chain)
      this.#hasChains = true
    }
    this.#pools.retain(routes)
  }

  /** See Dispatcher. */
  dispatch(request: UpstreamRequest, receiver: ResponseReceiver): Dispatched {
    const chain = this.#hasChains ? this.#chains.get(request.route) : undefined
    return (chain ?? this.#pools).dispatch(request, receiver)
  }
}
