import type { Schedule } from '../directory/deadlines.ts'

/** For tests: a clock that only moves when told to. */
export class TestClock {
  nowMs = 1_000_000
  readonly #timers = new Map<number, { atMs: number; run: () => void }>()
  #ids = 0

  /** Timers that are set. */
  get pending(): number {
    return this.#timers.size
  }

  readonly now = (): number => this.nowMs

  readonly schedule: Schedule = (run, ms) => {
    const id = this.#ids++
    this.#timers.set(id, { atMs: this.nowMs + ms, run })
    return () => {
      this.#timers.delete(id)
    }
  }

  /** Moves on by `ms`, running what is due in its order, and lets what that set off settle. */
  async advance(ms: number): Promise<void> {
    const untilMs = this.nowMs + ms
    for (;;) {
      await settle()
      let next: [number, { atMs: number; run: () => void }] | undefined
      for (const timer of this.#timers) if (next === undefined || timer[1].atMs < next[1].atMs) next = timer
      if (next === undefined || next[1].atMs > untilMs) break
      this.#timers.delete(next[0])
      this.nowMs = Math.max(this.nowMs, next[1].atMs)
      next[1].run()
    }
    this.nowMs = untilMs
    await settle()
  }
}

/** Lets promises that can settle do so. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 5; i++) {
    await new Promise((resolve) => {
      setImmediate(resolve)
    })
  }
}
