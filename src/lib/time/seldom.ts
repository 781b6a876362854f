const MINUTE_MS = 60_000
/** Kinds that are remembered. */
const MAX_KINDS = 64

/** What happens often and is told seldom: the first of each kind at once, and then from time to time how many there were. */
export class Seldom {
  readonly #kinds = new Map<string, { toldMs: number; times: number }>()

  readonly #tellMs: number

  /** `tellMs`: a kind of event is told once in this time. */
  constructor(tellMs = MINUTE_MS) {
    this.#tellMs = tellMs
  }

  /** Counts one; returns how many there were since they were told last, or 0 when it is too soon to tell. */
  occur(kind: string, nowMs: number): number {
    let known = this.#kinds.get(kind)
    if (known === undefined) {
      if (this.#kinds.size >= MAX_KINDS) this.#kinds.clear()
      known = { toldMs: -Infinity, times: 0 }
      this.#kinds.set(kind, known)
    }
    known.times++
    if (nowMs - known.toldMs < this.#tellMs) return 0
    const { times } = known
    known.toldMs = nowMs
    known.times = 0
    return times
  }
}
