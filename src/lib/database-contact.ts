/** What is known of a server that is asked again and again. */
export interface ContactReading {
  /** `unknown` until it has answered, or should have. */
  readonly state: 'there' | 'away' | 'unknown'
  /** For how long it is so; of one that is away, since it was heard last. */
  readonly sinceMs: number
  /** Since it was heard last; null for never. */
  readonly silentMs: number | null
  /** Code of the newest failure; null once it was heard again. */
  readonly error: string | null
}

/** Codes of a server that does not listen, or refuses all: it starts, stops or recovers. */
const AT_THE_DOOR = /^(?:ECONNREFUSED|ENOENT|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|57P0[1-3])$/

/**
 * Whether the database is there, as its users found it. One of them asks at an interval; a user that fails otherwise
 * than at the door, or gets no answer at all, is waited for, as a connection can break without the server.
 *
 *   unknown ──heard──► there ──refused at the door──────────────► away ──heard──► there
 *                        └─────nothing heard for `patienceMs`─────►┘
 */
export class DatabaseContact {
  readonly #patienceMs: number
  readonly #tick: () => number
  readonly #startTick: number
  #heardTick: number | null = null
  #thereTick = 0
  #isRefused = false
  #error: string | null = null

  /** `patienceMs`: the interval of the regular user, and the longest time for an answer. `tick`: monotonic milliseconds. */
  constructor(patienceMs: number, tick: () => number = () => performance.now()) {
    this.#patienceMs = patienceMs
    this.#tick = tick
    this.#startTick = tick()
  }

  /** Something was answered. Costs a reading of the clock. */
  heard(): void {
    const nowTick = this.#tick()
    if (this.#heardTick === null || this.#isAwayAt(nowTick)) this.#thereTick = nowTick
    this.#heardTick = nowTick
    this.#isRefused = false
    this.#error = null
  }

  /** Something failed, with the code of a socket or driver, or a SQLSTATE. */
  failed(code: string): void {
    this.#error = code
    if (AT_THE_DOOR.test(code)) this.#isRefused = true
  }

  /** What is known now. */
  get reading(): ContactReading {
    const nowTick = this.#tick()
    const silentMs = this.#heardTick === null ? null : nowTick - this.#heardTick
    const error = this.#error
    if (this.#isAwayAt(nowTick))
      return { state: 'away', sinceMs: silentMs ?? nowTick - this.#startTick, silentMs, error }
    if (silentMs === null) return { state: 'unknown', sinceMs: nowTick - this.#startTick, silentMs, error }
    return { state: 'there', sinceMs: nowTick - this.#thereTick, silentMs, error }
  }

  #isAwayAt(nowTick: number): boolean {
    return this.#isRefused || nowTick - (this.#heardTick ?? this.#startTick) > this.#patienceMs
  }
}
