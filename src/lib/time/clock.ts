import { setImmediate as nextTurn } from 'node:timers/promises'

/** Time as the writer sees it; injected, so that tests decide what time it is. */
export interface Clock {
  /** Epoch milliseconds, with a fraction; never goes back. */
  nowMs(): number
  /** Calls `fn` once after `ms`; the result cancels it, and may be called at any time. */
  after(ms: number, fn: () => void): () => void
  /** Resolves in a later turn of the event loop, when what was waiting for this one has been served. */
  turn(): Promise<void>
}

/** The real thing. Its timers keep the process alive. */
export const systemClock: Clock = {
  nowMs: () => performance.timeOrigin + performance.now(),
  after(ms, fn) {
    const timer = setTimeout(fn, ms)
    return () => clearTimeout(timer)
  },
  turn: () => nextTurn(),
}

/** The same clock; `onStep` is called whenever one of its waits has ended. */
export function steppingClock(clock: Clock, onStep: () => void): Clock {
  return {
    nowMs: () => clock.nowMs(),
    after: (ms, fn) =>
      clock.after(ms, () => {
        onStep()
        fn()
      }),
    async turn() {
      await clock.turn()
      onStep()
    },
  }
}
