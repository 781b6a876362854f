import type { Limiter } from '../limits/limiter.ts'
import type { Snapshot } from '../model/grant.ts'
import { Recheck, type RecheckOwner } from './decide/recheck.ts'

/** Ticks after which what is under way is looked at, though no key or tenant has changed: one may have expired. */
const RECHECK_TICKS = 20

/** What the upkeep looks after. */
export interface UpkeepOwner extends RecheckOwner {
  readonly limiter: Limiter
}

/**
 * What the data plane does beside its requests, several times a second: ends the phases that have lasted too long, and what lost its
 * right to go on; forgets the rate buckets of tenants and addresses that have been silent.
 */
export class Upkeep {
  readonly #owner: UpkeepOwner
  readonly #recheck: Recheck
  #ticks = 0
  #snapshot: Snapshot | null = null

  constructor(owner: UpkeepOwner) {
    this.#owner = owner
    this.#recheck = new Recheck(owner)
  }

  /** `nowTick` is monotonic milliseconds. */
  tick(nowTick: number): void {
    this.#endOverdue(nowTick)
    const { limiter, directory } = this.#owner
    this.#ticks++
    if (directory.snapshot !== this.#snapshot || this.#ticks % RECHECK_TICKS === 0) {
      this.#snapshot = directory.snapshot
      this.#recheck.begin()
      limiter.evictIdle(nowTick)
    }
    this.#recheck.tick()
  }

  #endOverdue(nowTick: number): void {
    for (const exchange of this.#owner.exchanges) {
      if (exchange.limitMs === 0 || nowTick - exchange.activeTick <= exchange.limitMs) continue
      exchange.activeTick = nowTick
      exchange.carrier?.timeOut()
    }
  }
}
