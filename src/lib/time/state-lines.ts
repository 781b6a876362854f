import type { Clock } from './clock.ts'

/** Lines of one thing that are written at once; then one each LINE_MS. */
const LINES_AT_ONCE = 6
const LINE_MS = 60_000
/** What comes into the state that was told last is told again after so long. */
const AGAIN_MS = 3_600_000
/** Things that are remembered; the oldest is forgotten, and its next state told as a new one. */
const MAX_KNOWN = 4096

/** Writes a line; `times` is how often the thing has changed since its last line, this change included. */
export type Tell = (times: number) => void

interface Known {
  tell: Tell
  state: string
  toldState: string | null
  toldMs: number
  /** Lines that may be written now, as of `asOfMs`. */
  lines: number
  asOfMs: number
  times: number
  isWaiting: boolean
}

/**
 * Tells states of things, such as whether a server answers, without filling the log: each new state at once, the same one again once an
 * hour, and of a thing that changes all the time how it is, once a minute. The last line of each is its state, a minute later at most.
 */
export class StateLines {
  readonly #clock: Clock
  readonly #known = new Map<string, Known>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** A thing has come into a state, perhaps once more. `tell` is called now, later, or never; it must not throw. */
  note(thing: string, state: string, tell: Tell): void {
    const known = this.#known.get(thing) ?? this.#begin(thing)
    known.times++
    known.state = state
    known.tell = tell
    if (!known.isWaiting) this.#look(known)
  }

  #look(known: Known): void {
    const nowMs = this.#clock.nowMs()
    known.lines = Math.min(LINES_AT_ONCE, known.lines + (nowMs - known.asOfMs) / LINE_MS)
    known.asOfMs = nowMs
    if (known.state === known.toldState && nowMs - known.toldMs < AGAIN_MS) return
    if (known.lines < 1) {
      known.isWaiting = true
      // A millisecond more, or what is left over of the division would have it wait again.
      this.#clock.later((1 - known.lines) * LINE_MS + 1, () => {
        known.isWaiting = false
        this.#look(known)
      })
      return
    }
    const { times } = known
    known.lines--
    known.toldState = known.state
    known.toldMs = nowMs
    known.times = 0
    known.tell(times)
  }

  #begin(thing: string): Known {
    if (this.#known.size >= MAX_KNOWN)
      for (const oldest of this.#known.keys()) if (this.#known.delete(oldest)) break
    const nowMs = this.#clock.nowMs()
    const known: Known = {
      tell: () => {},
      state: '',
      toldState: null,
      toldMs: nowMs,
      lines: LINES_AT_ONCE,
      asOfMs: nowMs,
      times: 0,
      isWaiting: false,
    }
    this.#known.set(thing, known)
    return known
  }
}
