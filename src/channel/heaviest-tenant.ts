import type { TenantShare } from './tenant-share.ts'

/** After a search the heaviest are taken for that until they have lost a tenth of their weight. */
const FLOOR = 0.9

/**
 * Finds a share that has as much as any, or nine tenths of it. A search goes over all shares and remembers all that qualify, so
 * that evicting one entry after the other from ten thousand equal tenants takes one search, and not ten thousand.
 */
export class HeaviestTenant {
  readonly #shares: () => Iterable<TenantShare>
  readonly #weigh: (share: TenantShare) => number
  #found: TenantShare[] = []
  #floor = Infinity

  constructor(shares: () => Iterable<TenantShare>, weigh: (share: TenantShare) => number) {
    this.#shares = shares
    this.#weigh = weigh
  }

  /** null when none has any weight. */
  find(): TenantShare | null {
    for (let last = this.#found.at(-1); last !== undefined; last = this.#found.at(-1)) {
      if (this.#weigh(last) >= this.#floor) return last
      this.#found.pop()
    }
    let most = 0
    for (const share of this.#shares()) most = Math.max(most, this.#weigh(share))
    if (most === 0) return null
    this.#floor = Math.max(1, most * FLOOR)
    for (const share of this.#shares()) if (this.#weigh(share) >= this.#floor) this.#found.push(share)
    return this.#found.at(-1) ?? null
  }
}
