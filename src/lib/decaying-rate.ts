/** What was added weighs half as much after this time. */
const HALF_LIFE_MS = 20_000
const DECAY_PER_MS = Math.LN2 / HALF_LIFE_MS

/** An amount per second, smoothed: each addition counts for less as time goes by, and a steady flow shows as what it is. */
export class DecayingRate {
  #weight = 0
  #atMs = 0

  add(amount: number, nowMs: number): void {
    this.#weight = this.#weightAt(nowMs) + amount
    this.#atMs = nowMs
  }

  perSecond(nowMs: number): number {
    return this.#weightAt(nowMs) * DECAY_PER_MS * 1000
  }

  #weightAt(nowMs: number): number {
    return this.#weight * Math.exp(-DECAY_PER_MS * Math.max(0, nowMs - this.#atMs))
  }
}
