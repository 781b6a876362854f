import type { Route } from '../model/route.ts'
import { isUpstreamOrigin } from '../model/upstream/upstream-place.ts'
import type { PoolStats } from '../model/stats.ts'
import { addressProblem, strangeAddressProblem } from './address.ts'
import type { Dispatcher } from './dispatcher.ts'
import { TooManyUpstreamsError, UpstreamAddressError, UpstreamOpenError } from './failure.ts'
import { HealthBook } from './health/health-book.ts'
import { DEFAULT_POOL_OPTIONS, OriginPool, type PlaceTaker, type PoolOptions } from './origin-pool.ts'
import {
  NOT_QUEUED,
  type Destination,
  type Dispatched,
  type HostStanding,
  type ResponseReceiver,
  type UpstreamRequest,
} from './request.ts'

/** All upstream connections of the gateway, by route and origin. A changed route gets new pools; the old ones finish. */
export class UpstreamPools implements Dispatcher {
  readonly #pools = new Map<string, { route: Route; pool: OriginPool }>()
  /** The pool last used of a route, found without putting a name together; only those that are in `#pools` count. */
  readonly #last = new WeakMap<Route, { origin: string; standing: HostStanding; pool: OriginPool }>()
  readonly #maxPools: number
  readonly #options: PoolOptions

  /** What is known of the routes' upstream addresses. */
  readonly health: HealthBook

  constructor(options: { maxPools: number; pool?: PoolOptions; health?: HealthBook }) {
    this.#maxPools = options.maxPools
    this.health = options.health ?? new HealthBook()
    this.#options = options.pool ?? DEFAULT_POOL_OPTIONS
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

  /** See Dispatcher. */
  dispatch(request: UpstreamRequest, receiver: ResponseReceiver): Dispatched {
    const pool = this.#poolFor(request)
    if (pool instanceof OriginPool) return pool.dispatch(request, receiver)
    receiver.onError(pool, false)
    return NOT_QUEUED
  }

  /** Takes a place for a tunnel, now or later; otherwise as `dispatch`. */
  reserve(to: Destination, taker: PlaceTaker): Dispatched {
    const pool = this.#poolFor(to)
    if (pool instanceof OriginPool) return pool.reserve(to, taker)
    taker.onRefused(pool)
    return NOT_QUEUED
  }

  /**
   * The origin that a request goes to which is for the upstream of its route: of several the one that has the least to do, and that was
   * not tried. An error when no breaker lets it pass, or all were tried.
   */
  originFor({ route, origin, standing, tick }: Destination, tried: ReadonlySet<string>): string | Error {
    const health = isShared(route) && standing === 'upstream' ? this.health.of(route) : null
    if (health === null) return origin
    return health.choose(tick, tried)?.origin ?? new UpstreamOpenError(health.waitMs(tick))
  }

  #poolFor(to: Destination): OriginPool | Error {
    const { route, origin, standing, tick } = to
    const last = this.#last.get(route)
    const isCurrent =
      last !== undefined && last.origin === origin && last.standing === standing && !last.pool.isClosing
    const pool = isCurrent ? last.pool : this.#poolOf(to)
    if (pool instanceof Error) return pool
    if (!isCurrent) this.#last.set(route, { origin, standing, pool })
    pool.usedTick = tick
    return pool
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

  #poolOf({ route, origin, standing }: Destination): OriginPool | Error {
    const name = `${route.name} ${origin} ${standing}`
    const found = this.#pools.get(name)
    if (found?.route === route) return found.pool
    const problem = problemOf(route, origin, standing)
    if (problem !== null) return new UpstreamAddressError(problem)
    if (found !== undefined) found.pool.close()
    else if (this.#pools.size >= this.#maxPools && !this.#evictUnused()) return new TooManyUpstreamsError()
    const health = standing === 'upstream' ? (this.health.of(route)?.of(origin) ?? null) : null
    const pool = new OriginPool({ origin, route, standing }, this.#options, health)
    this.#pools.set(name, { route, pool })
    return pool
  }

  /** Makes room by closing the pool that was idle longest; false when every pool is in use. */
  #evictUnused(): boolean {
    let oldest: [string, OriginPool] | null = null
    for (const [name, { pool }] of this.#pools) {
      if (pool.busy + pool.queued > 0) continue
      if (oldest === null || pool.usedTick < oldest[1].usedTick) oldest = [name, pool]
    }
    if (oldest === null) return false
    this.#pools.delete(oldest[0])
    oldest[1].close()
    return true
  }
}

/** Whether the upstream of a route has several addresses. */
export function isShared({ upstream }: Route): boolean {
  return upstream.origins !== undefined
}

function problemOf(route: Route, origin: string, standing: HostStanding): string | null {
  if (standing !== 'upstream') return strangeAddressProblem(origin)
  return isUpstreamOrigin(route, origin) ? null : addressProblem(origin, route)
}
