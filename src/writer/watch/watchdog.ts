import type { WATCHED_LOOPS } from '../../model/stats.ts'
import type { Clock } from '../../lib/time/clock.ts'
import { Periodic } from '../../lib/time/periodic.ts'

/** How many looks without a step make a loop stuck. */
const LOOKS = 12

/** What is watched: a loop that takes steps as long as it has something to do, be it only the next vain attempt. */
export interface WatchedLoop {
  readonly name: (typeof WATCHED_LOOPS)[number]
  /** Whether something waits for it. */
  readonly isPending: () => boolean
  /** How many steps it has taken: attempts begun and ended, batches sealed, waits ended. */
  readonly steps: () => number
}

/** A loop that has taken no step although something waits for it. */
export interface StuckLoop {
  readonly name: string
  readonly stuckMs: number
}

interface Watched {
  readonly loop: WatchedLoop
  lastSteps: number
  /** Looks in a row at which it had something to do, and had done nothing since the one before. */
  quietLooks: number
}

/**
 * Finds a loop that hangs: a promise that never settles, a wait that nobody ends. It judges steps, not success, and
 * counts time in looks, not by the clock (docs/decisions/0028): a loop that tries in vain to reach a database that is away does its
 * work; one that waits for ever does not, and only a new process helps.
 */
export class Watchdog {
  readonly #watched: readonly Watched[]
  readonly #lookMs: number
  readonly #onChange: (stuck: readonly StuckLoop[]) => void
  #stuck: readonly StuckLoop[] = []
  readonly #looks: Periodic

  constructor(parts: {
    readonly loops: readonly WatchedLoop[]
    /** A loop without a step for this long is stuck. */
    readonly stuckAfterMs: number
    readonly clock: Clock
    /** Called when a loop gets stuck, and when one goes on: with those that are stuck then. */
    readonly onChange: (stuck: readonly StuckLoop[]) => void
  }) {
    this.#watched = parts.loops.map((loop) => ({ loop, lastSteps: loop.steps(), quietLooks: 0 }))
    this.#lookMs = parts.stuckAfterMs / LOOKS
    this.#looks = new Periodic({
      run: async () => this.#look(),
      intervalMs: this.#lookMs,
      pace: 'beat',
      clock: parts.clock,
    })
    this.#onChange = parts.onChange
  }

  /** Looks from now on. A second call does nothing. */
  start(): void {
    this.#looks.start()
  }

  /** Looks no more; what is stuck remains so. */
  stop(): void {
    void this.#looks.stop(0)
  }

  /** The loops that are stuck, as of the last look. */
  get stuck(): readonly StuckLoop[] {
    return this.#stuck
  }

  #look(): void {
    const wasStuck = this.#stuck.length
    for (const each of this.#watched) {
      const steps = each.loop.steps()
      const isQuiet = steps === each.lastSteps && each.loop.isPending()
      each.lastSteps = steps
      each.quietLooks = isQuiet ? each.quietLooks + 1 : 0
    }
    this.#stuck = this.#watched
      .filter(({ quietLooks }) => quietLooks >= LOOKS)
      .map(({ loop, quietLooks }) => ({ name: loop.name, stuckMs: quietLooks * this.#lookMs }))
    if (this.#stuck.length !== wasStuck) this.#onChange(this.#stuck)
  }
}
