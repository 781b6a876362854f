import type { Depth } from './delivery-store.ts'

/** What a tenant may have waiting. */
export interface DepthBounds {
  readonly deliveries: number
  readonly bytes: number
}

/** How much waits of each tenant, as the database told last, and what came since. */
export class Depths {
  readonly #bounds: DepthBounds
  #told = new Map<string, Depth>()
  readonly #since = new Map<string, { deliveries: number; bytes: number }>()

  constructor(bounds: DepthBounds) {
    this.#bounds = bounds
  }

  /** What was looked at just now. */
  set(depths: readonly Depth[]): void {
    this.#told = new Map(depths.map((depth) => [depth.tenant, depth]))
    this.#since.clear()
  }

  /** Something of a tenant was kept, which a look of before does not know. */
  note(tenant: string, bytes: number): void {
    const since = this.#since.get(tenant) ?? { deliveries: 0, bytes: 0 }
    since.deliveries++
    since.bytes += bytes
    this.#since.set(tenant, since)
  }

  isFull(tenant: string): boolean {
    return this.#fill(tenant) >= 1
  }

  get all(): readonly Depth[] {
    return [...this.#told.values()]
  }

  #fill(tenant: string): number {
    const told = this.#told.get(tenant)
    const since = this.#since.get(tenant)
    const deliveries = (told?.waiting ?? 0) + (since?.deliveries ?? 0)
    const bytes = (told?.bytes ?? 0) + (since?.bytes ?? 0)
    return Math.max(deliveries / this.#bounds.deliveries, bytes / this.#bounds.bytes)
  }
}
