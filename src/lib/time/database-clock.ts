/** The wall clock is believed while it is no further than this from the database's. */
const TOLERANCE_MS = 1000

/** What the clock is read from; injected, so that tests decide what time it is. */
export interface ClockSources {
  /** The wall clock, epoch milliseconds: may step, and may be wrong. */
  readonly wall: () => number
  /** Milliseconds that only go on. */
  readonly tick: () => number
}

/**
 * The time that all gateways of a database share. All that is compared with times that others wrote (a key's expiry, the time of an
 * entry) goes by it, so that neither a wrong wall clock nor one that steps lets an expired key in or puts an entry into another day.
 *
 * Each look at the database tells its time to within half of what the look took:
 *
 *            asked ├────────── took ──────────┤ answered
 *                       the database's time is that of some moment in between
 *
 * Between looks, and while the database is away, the monotonic clock goes on from there. The wall clock is shown where it
 * agrees to a second: that is as exact as any look, and other programs' logs have the same.
 */
export class DatabaseClock {
  readonly #wall: () => number
  readonly #tick: () => number
  /** Epoch milliseconds at tick 0: by the wall clock of the start until the database has told. */
  #anchorMs: number
  #hasLooked = false

  constructor(sources: ClockSources = { wall: Date.now, tick: () => performance.now() }) {
    this.#wall = sources.wall
    this.#tick = sources.tick
    this.#anchorMs = sources.wall() - sources.tick()
  }

  /** Takes the database's time as it was at some moment between two ticks. */
  observe(databaseMs: number, askedTick: number, answeredTick: number): void {
    const earliest = databaseMs - answeredTick
    const latest = databaseMs - askedTick
    // What is known already is as good as any, unless it is proven wrong.
    if (this.#hasLooked) this.#anchorMs = Math.min(Math.max(this.#anchorMs, earliest), latest)
    else this.#anchorMs = (earliest + latest) / 2
    this.#hasLooked = true
  }

  /** Until the database has told its time, this machine's clock is taken for so much behind it. */
  assumeBehind(ms: number): void {
    if (!this.#hasLooked) this.#anchorMs += ms
  }

  /** A tick, for `observe`. */
  tick(): number {
    return this.#tick()
  }

  /** Epoch milliseconds; `tick` when it has just been read. Costs 0.1 µs. */
  nowMs(tick: number = this.#tick()): number {
    const wallMs = this.#wall()
    const sharedMs = tick + this.#anchorMs
    const differenceMs = wallMs - sharedMs
    return differenceMs > TOLERANCE_MS || differenceMs < -TOLERANCE_MS ? sharedMs : wallMs
  }

  /** The wall clock minus the database's, to within half of a look; null before the first. */
  get offsetMs(): number | null {
    return this.#hasLooked ? this.#wall() - (this.#tick() + this.#anchorMs) : null
  }
}
