import type { KeptUsage } from '../model/idempotency/kept-calls.ts'

/** What may be kept of each tenant. */
export interface KeptBounds {
  readonly keys: number
  /** Of answers, as they are stored. */
  readonly bytes: number
}

/** What is kept of each tenant, as the database told last, and what this process has added since. */
export class KeptShare {
  readonly #bounds: KeptBounds
  #told = new Map<string, KeptUsage>()
  readonly #since = new Map<string, KeptBounds>()

  constructor(bounds: KeptBounds) {
    this.#bounds = bounds
  }

  /** What was looked at just now. */
  set(usages: readonly KeptUsage[]): void {
    this.#told = new Map(usages.map((usage) => [usage.tenant, usage]))
    this.#since.clear()
  }

  /** A key was claimed, or an answer of so many bytes was kept. */
  note(tenant: string, keys: number, bytes: number): void {
    const since = this.#since.get(tenant)
    this.#since.set(tenant, { keys: (since?.keys ?? 0) + keys, bytes: (since?.bytes ?? 0) + bytes })
  }

  /** Whether the tenant has as much as it may. */
  isFull(tenant: string): boolean {
    const [told, since] = [this.#told.get(tenant), this.#since.get(tenant)]
    const keys = (told?.keys ?? 0) + (since?.keys ?? 0)
    const bytes = (told?.bytes ?? 0) + (since?.bytes ?? 0)
    return keys >= this.#bounds.keys || bytes >= this.#bounds.bytes
  }
}
