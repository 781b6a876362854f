import type { DeliverRules } from '../model/delivery/deliver-rules.ts'

export type BreakerState = 'closed' | 'open' | 'half_open'

/**
 * Keeps a receiver that fails again and again unbothered for a while.
 *
 *   closed ──so many failures in a row──► open ──its time──► half open ──one attempt succeeds──► closed
 *                                          ▲                    └──it fails──► open again
 */
export class Breaker {
  rules: DeliverRules['breaker']
  #failures = 0
  #openUntilTick = 0
  #isOpen = false
  #isTrying = false

  constructor(rules: DeliverRules['breaker']) {
    this.rules = rules
  }

  state(nowTick: number): BreakerState {
    if (!this.#isOpen) return 'closed'
    return nowTick < this.#openUntilTick ? 'open' : 'half_open'
  }

  canTry(nowTick: number): boolean {
    return !this.#isOpen || (nowTick >= this.#openUntilTick && !this.#isTrying)
  }

  /** An attempt begins. */
  begin(nowTick: number): void {
    if (this.#isOpen && nowTick >= this.#openUntilTick) this.#isTrying = true
  }

  /** It came to an answer by which the receiver is well. */
  succeeded(): void {
    this.#failures = 0
    this.#isOpen = false
    this.#isTrying = false
  }

  /** It failed for a reason that others would meet too. */
  failed(nowTick: number): void {
    this.#failures++
    if (!this.#isTrying && this.#failures < this.rules.failures) return
    this.#isTrying = false
    this.#isOpen = true
    this.#openUntilTick = nowTick + this.rules.openMs
  }

  /** It was not made after all. */
  abandoned(): void {
    this.#isTrying = false
  }

  blockedForMs(nowTick: number): number {
    return this.#isOpen ? Math.max(0, this.#openUntilTick - nowTick) : 0
  }
}
