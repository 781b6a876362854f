import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Clock } from '../lib/time/clock.ts'

/** For tests: noon of a day, epoch ms. */
export const NOON_MS = Date.UTC(2026, 10, 21, 12)

interface Timer {
  readonly atMs: number
  readonly fn: () => void
}

/** For tests: a clock that stands still until it is moved. */
export class FakeClock implements Clock {
  #nowMs: number
  #timers: Timer[] = []

  constructor(nowMs = NOON_MS) {
    this.#nowMs = nowMs
  }

  nowMs(): number {
    return this.#nowMs
  }

  after(ms: number, fn: () => void): () => void {
    const timer = { atMs: this.#nowMs + ms, fn }
    this.#timers.push(timer)
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer)
    }
  }

  later(ms: number, fn: () => void): () => void {
    return this.after(ms, fn)
  }

  async turn(): Promise<void> {
    await nextTurn()
  }

  /** Timers that are set. */
  get timers(): number {
    return this.#timers.length
  }

  /** Lets everything happen that needs no time, then moves on, timer by timer. */
  async advance(ms: number): Promise<void> {
    const endMs = this.#nowMs + ms
    do await settle()
    while (this.#fireNext(endMs))
    this.#nowMs = endMs
    await settle()
  }

  /** Moves on, timer by timer, in one go: what waits for a promise does not get its turn. */
  pass(ms: number): void {
    const endMs = this.#nowMs + ms
    while (this.#fireNext(endMs));
    this.#nowMs = endMs
  }

  #fireNext(endMs: number): boolean {
    // Of two for the same moment, the one that was set first.
    let next: Timer | undefined
    for (const timer of this.#timers) {
      if (timer.atMs <= endMs && (next === undefined || timer.atMs < next.atMs)) next = timer
    }
    if (next === undefined) return false
    this.#timers = this.#timers.filter((timer) => timer !== next)
    this.#nowMs = Math.max(this.#nowMs, next.atMs)
    next.fn()
    return true
  }
}

/** For tests: resolves when what is ready to run has run. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 12; i++) await nextTurn()
}
