import { systemClock } from '../../lib/time/clock.ts'

const MAX_FAILURES = 20
const WINDOW_MS = 60_000
/** Addresses that are remembered; beyond, the oldest is forgotten. */
const MAX_ADDRESSES = 10_000

interface Count {
  n: number
  readonly sinceMs: number
}

/** Counts wrong tokens by address, so that guessing is slow: 20 in a minute, then none is looked at for the rest of it. */
export class FailureThrottle {
  readonly #counts = new Map<string, Count>()
  readonly #nowMs: () => number

  /** `nowMs`: a clock that never goes back. */
  constructor(nowMs: () => number = () => systemClock.nowMs()) {
    this.#nowMs = nowMs
  }

  /** Whole seconds until the address is listened to again; 0 when it is now. */
  waitSeconds(address: string): number {
    const count = this.#counts.get(address)
    if (count === undefined || count.n < MAX_FAILURES) return 0
    const leftMs = count.sinceMs + WINDOW_MS - this.#nowMs()
    if (leftMs > 0) return Math.ceil(leftMs / 1000)
    this.#counts.delete(address)
    return 0
  }

  /** Notes a wrong token. */
  note(address: string): void {
    const nowMs = this.#nowMs()
    const count = this.#counts.get(address)
    if (count !== undefined && nowMs - count.sinceMs < WINDOW_MS) {
      count.n++
      return
    }
    this.#counts.delete(address)
    this.#counts.set(address, { n: 1, sinceMs: nowMs })
    const [oldest] = this.#counts.keys()
    if (this.#counts.size > MAX_ADDRESSES && oldest !== undefined) this.#counts.delete(oldest)
  }
}
