import type { Route } from '../model/route.ts'
import type { PoolStats } from '../model/stats.ts'
import { OriginPool } from './origin-pool.ts'
import type { Dispatched, ResponseReceiver, UpstreamRequest } from './upstream-request.ts'

/** Thrown when more upstream origins are in use than `proxy.maxUpstreamPools` allows. */
export class TooManyUpstreamsError extends Error {
  readonly code = 'WAYBILL_TOO_MANY_UPSTREAMS'
}

/** All upstream connections of the gateway, by route and origin. A changed route gets new pools; the old ones finish. */
export class UpstreamPools {
  readonly #pools = new Map<string, { route: Route; pool: OriginPool }>()
  /** The pool last used of a route, found without putting a name together; only those that are in `#pools` count. */
  readonly #last = new WeakMap<Route, { origin: string; pool: OriginPool }>()
  readonly #maxPools: number

  constructor(options: { maxPools: number }) {
    this.#maxPools = options.maxPools
  }

  get stats(): PoolStats[] {
    const byRoute = new Map<string, PoolStats>()
    for (const { route, pool } of this.#pools.values()) {
      const sum = byRoute.get(route.name) ?? { route: route.name, busy: 0, idle: 0, queued: 0 }
      byRoute.set(route.name, {
        route: route.name,
        busy: sum.busy + pool.busy,
        idle: sum.idle + pool.idle,
        queued: sum.queued + pool.queued,
      })
    }
    return [...byRoute.values()]
  }

  /** Sends or queues a request; `tick` is now. null when the route's queue is full. Throws `TooManyUpstreamsError`. */
  dispatch(
    route: Route,
    origin: string,
    request: UpstreamRequest,
    receiver: ResponseReceiver,
    tick: number,
  ): Dispatched | null {
    const last = this.#last.get(route)
    const isCurrent = last !== undefined && last.origin === origin && !last.pool.isClosing
    const pool = isCurrent ? last.pool : this.#poolOf(route, origin)
    if (!isCurrent) this.#last.set(route, { origin, pool })
    pool.usedTick = tick
    return pool.dispatch(request, receiver, route.maxQueued)
  }

  /** Closes the pools of routes that are no longer configured as they were. Requests on them finish. */
  retain(routes: readonly Route[]): void {
    const current = new Set(routes)
    for (const [name, { route, pool }] of this.#pools) {
      if (current.has(route)) continue
      this.#pools.delete(name)
      pool.close()
    }
  }

  async destroy(): Promise<void> {
    const pools = [...this.#pools.values()]
    this.#pools.clear()
    await Promise.all(pools.map(({ pool }) => pool.destroy()))
  }

  #poolOf(route: Route, origin: string): OriginPool {
    const name = `${route.name} ${origin}`
    const found = this.#pools.get(name)
    if (found?.route === route) return found.pool
    if (found !== undefined) found.pool.close()
    if (this.#pools.size >= this.#maxPools && found === undefined) this.#evictUnused()
    const pool = new OriginPool(origin, route)
    this.#pools.set(name, { route, pool })
    return pool
  }

  /** Makes room by closing the pool that was idle longest. */
  #evictUnused(): void {
    let oldest: [string, OriginPool] | null = null
    for (const [name, { pool }] of this.#pools) {
      if (pool.busy + pool.queued > 0) continue
      if (oldest === null || pool.usedTick < oldest[1].usedTick) oldest = [name, pool]
    }
    if (oldest === null) throw new TooManyUpstreamsError('every upstream pool is in use')
    this.#pools.delete(oldest[0])
    oldest[1].close()
  }
}
