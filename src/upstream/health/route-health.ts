import { ADDRESS_STATES, type AddressState } from '../../model/upstream/health-rules.ts'
import type { Route } from '../../model/route.ts'
import { hostOf } from '../../model/upstream/upstream-place.ts'
import type { UpstreamStats } from '../../model/stats.ts'
import { AddressHealth, type AddressOwner } from './address-health.ts'

/** An address is in another state than before. */
export interface AddressChange {
  readonly route: string
  /** Host and port. */
  readonly upstream: string
  readonly state: AddressState
}

/** Addresses kept of a route whose upstream has `{tenant}` in its host; the oldest is forgotten. */
const MAX_EXPANDED = 1024

/**
 * The upstream addresses of one route: which of them gets a request. The one with the fewest under way, of those that are well; of
 * the others when none is, so that a wrong verdict costs a request and not the route; none when all breakers are open.
 */
export class RouteHealth implements AddressOwner {
  readonly #route: Route
  readonly #onChange: (change: AddressChange) => void
  /** By origin. Of an upstream with `{tenant}`: those that were asked for. */
  readonly #addresses = new Map<string, AddressHealth>()
  readonly #list: AddressHealth[] = []
  readonly #changes = new Map<string, Record<AddressState, number>>()
  /** Where the next look for an address begins: of equal ones each has its turn. */
  #turn = 0

  constructor(route: Route, onChange: (change: AddressChange) => void) {
    this.#route = route
    this.#onChange = onChange
  }

  /** Takes over what was known of the same addresses, where the rules are the same; of the rest nothing is known. */
  inherit(before: RouteHealth | null): this {
    const { origin, origins = [origin] } = this.#route.upstream
    if (before === null) {
      if (!origin.includes('{tenant}')) for (const one of origins) this.#add(one)
      return this
    }
    const isSame = rulesOf(before.#route) === rulesOf(this.#route)
    const known = isSame ? before.#addresses : new Map<string, AddressHealth>()
    for (const one of origin.includes('{tenant}') ? known.keys() : origins) {
      const address = known.get(one)
      if (address === undefined) this.#add(one)
      else this.#take(address)
      if ((this.#route.healthCheck ?? null) === null) address?.unchecked()
    }
    for (const [upstream, changes] of before.#changes) this.#changes.set(upstream, changes)
    return this
  }

  get addresses(): readonly AddressHealth[] {
    return this.#list
  }

  /** What is known of an origin of the route. */
  of(origin: string): AddressHealth {
    const known = this.#addresses.get(origin)
    if (known !== undefined) return known
    if (this.#list.length >= MAX_EXPANDED) {
      const [oldest] = this.#list.splice(0, 1)
      if (oldest !== undefined) this.#addresses.delete(oldest.origin)
    }
    return this.#add(origin)
  }

  /** Where a request goes that has not been tried at the others; null when no breaker lets it pass. */
  choose(nowMs: number, tried: ReadonlySet<string>): AddressHealth | null {
    return this.#least(nowMs, tried, true) ?? this.#least(nowMs, tried, false)
  }

  /** Milliseconds until a request may pass; 0 for now. */
  waitMs(nowMs: number): number {
    return Math.min(...this.#list.map((address) => address.waitMs(nowMs)))
  }

  /** See AddressOwner. */
  mayEject(nowMs: number): boolean {
    const ejected = this.#list.filter((address) => address.isEjected(nowMs)).length
    return ejected + 1 <= this.#list.length / 2
  }

  /** See AddressOwner. */
  onState({ origin }: AddressHealth, state: AddressState): void {
    this.#changesOf(this.#labelOf(origin))[state]++
    this.#onChange({ route: this.#route.name, upstream: hostOf(origin), state })
  }

  /** How the addresses are: one line for all that a `{tenant}` stands for. */
  get stats(): UpstreamStats[] {
    const { origin, origins = [origin] } = this.#route.upstream
    const now = performance.now()
    return origins.map((one) => {
      const label = this.#labelOf(one)
      const states = noStates()
      for (const address of this.#list) {
        if (this.#labelOf(address.origin) !== label) continue
        address.isEjected(now)
        states[address.state]++
      }
      return { route: this.#route.name, upstream: label, states, changes: this.#changesOf(label) }
    })
  }

  #least(nowMs: number, tried: ReadonlySet<string>, mustBeWell: boolean): AddressHealth | null {
    const list = this.#list
    let least: AddressHealth | null = null
    let leastLoad = Infinity
    let leastAt = 0
    for (let i = 0; i < list.length; i++) {
      const at = (this.#turn + i) % list.length
      const address = list[at]
      if (address === undefined || tried.has(address.origin) || !address.isPassable(nowMs)) continue
      if (mustBeWell && !address.isWell(nowMs)) continue
      const load = address.load === null ? 0 : address.load.busy + address.load.queued
      if (load >= leastLoad) continue
      least = address
      leastLoad = load
      leastAt = at
    }
    if (least !== null) this.#turn = (leastAt + 1) % list.length
    return least
  }

  #add(origin: string): AddressHealth {
    const { breaker = null, ejection = null, upstream } = this.#route
    // One that stands alone has no other that requests could go to.
    const isAlone = upstream.origins === undefined
    return this.#take(new AddressHealth(origin, { breaker, ejection: isAlone ? null : ejection }, this))
  }

  #take(address: AddressHealth): AddressHealth {
    address.owner = this
    this.#addresses.set(address.origin, address)
    this.#list.push(address)
    return address
  }

  #labelOf(origin: string): string {
    const { upstream } = this.#route
    return hostOf(upstream.origin.includes('{tenant}') ? upstream.origin : origin)
  }

  #changesOf(upstream: string): Record<AddressState, number> {
    const known = this.#changes.get(upstream)
    if (known !== undefined) return known
    const changes = noStates()
    this.#changes.set(upstream, changes)
    return changes
  }
}

/** What of a route a verdict on its addresses depends on; where they stand for tenants, by whose addresses these are. */
function rulesOf({ breaker, ejection, upstream: { origin, path } }: Route): string {
  return JSON.stringify([breaker, ejection, path, origin.includes('{tenant}') ? origin : ''])
}

function noStates(): Record<AddressState, number> {
  return Object.fromEntries(ADDRESS_STATES.map((state) => [state, 0])) as Record<AddressState, number>
}
