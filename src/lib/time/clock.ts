import { setImmediate as nextTurn } from 'node:timers/promises'

/** Node's timers hold no more (2^31 - 1 ms, 24.8 days), and take what is longer for 1 ms. */
const MAX_TIMER_MS = 2 ** 31 - 1

/** Time as background work sees it; injected, so that tests decide what time it is. */
export interface Clock {
  /** Epoch milliseconds, with a fraction; never goes back. */
  nowMs(): number
  /**
   * Calls `fn` once after `ms`; the result cancels it, and may be called at any time. Somebody waits for it: until then the process
   * stays alive.
   */
  after(ms: number, fn: () => void): () => void
  /** As `after`, for what nobody waits for: a process that has nothing else to do ends before. */
  later(ms: number, fn: () => void): () => void
  /** Resolves in a later turn of the event loop, when what was waiting for this one has been served. */
  turn(): Promise<void>
}

const ORIGIN_MS = performance.timeOrigin

/** The real thing. */
export const systemClock: Clock = {
  nowMs: () => ORIGIN_MS + performance.now(),
  after(ms, fn) {
    const timer = setTimeout(fn, Math.min(ms, MAX_TIMER_MS))
    return () => clearTimeout(timer)
  },
  later(ms, fn) {
    const timer = setTimeout(fn, Math.min(ms, MAX_TIMER_MS)).unref()
    return () => clearTimeout(timer)
  },
  turn: () => nextTurn(),
}

/** The same clock; `onStep` is called whenever one of its waits has ended. */
export function steppingClock(clock: Clock, onStep: () => void): Clock {
  const stepping = (fn: () => void) => (): void => {
    onStep()
    fn()
  }
  return {
    nowMs: () => clock.nowMs(),
    after: (ms, fn) => clock.after(ms, stepping(fn)),
    later: (ms, fn) => clock.later(ms, stepping(fn)),
    async turn() {
      await clock.turn()
      onStep()
    },
  }
}
