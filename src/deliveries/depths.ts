import { Brim } from './brim.ts'
import type { Depth } from './delivery-store.ts'

/** What a tenant may have waiting. */
export interface DepthBounds {
  readonly deliveries: number
  readonly bytes: number
}

/** How much waits of each tenant, as the database told last, and what came since. */
export class Depths {
  readonly #bounds: DepthBounds
  readonly #brim: Brim
  #told = new Map<string, Depth>()
  readonly #since = new Map<string, { deliveries: number; bytes: number }>()

  /** `onBrim` is told of each tenant that has nearly as much waiting as it may, or has room again. */
  constructor(bounds: DepthBounds, onBrim?: (tenant: string, isFull: boolean, fill: number) => void) {
    this.#bounds = bounds
    this.#brim = new Brim(onBrim)
  }

  /** What was looked at just now. */
  set(depths: readonly Depth[]): void {
    this.#told = new Map(depths.map((depth) => [depth.tenant, depth]))
    this.#since.clear()
    for (const tenant of [...this.#told.keys(), ...this.#brim.full]) this.#look(tenant)
  }

  /** Something of a tenant was kept, which a look of before does not know. */
  note(tenant: string, bytes: number): void {
    const since = this.#since.get(tenant) ?? { deliveries: 0, bytes: 0 }
    since.deliveries++
    since.bytes += bytes
    this.#since.set(tenant, since)
    this.#look(tenant)
  }

  isFull(tenant: string): boolean {
    return this.#fill(tenant) >= 1
  }

  get all(): readonly Depth[] {
    return [...this.#told.values()]
  }

  /** Tenants that have nearly as much waiting as they may. */
  get nearlyFull(): ReadonlySet<string> {
    return this.#brim.full
  }

  /** Share of what it may have waiting, of the tenant that has most of it. */
  get fullest(): number {
    let most = 0
    for (const tenant of new Set([...this.#told.keys(), ...this.#since.keys()]))
      most = Math.max(most, this.#fill(tenant))
    return most
  }

  #look(tenant: string): void {
    this.#brim.look(tenant, this.#fill(tenant))
  }

  #fill(tenant: string): number {
    const told = this.#told.get(tenant)
    const since = this.#since.get(tenant)
    const deliveries = (told?.waiting ?? 0) + (since?.deliveries ?? 0)
    const bytes = (told?.bytes ?? 0) + (since?.bytes ?? 0)
    return Math.max(deliveries / this.#bounds.deliveries, bytes / this.#bounds.bytes)
  }
}
