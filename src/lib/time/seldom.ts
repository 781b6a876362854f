/** A kind of event is told once in this time, with how often it happened. */
const TELL_MS = 60_000
/** Kinds that are remembered. */
const MAX_KINDS = 64

/** What happens often and is told seldom: the first of each kind at once, and then once a minute how many there were. */
export class Seldom {
  readonly #kinds = new Map<string, { toldMs: number; times: number }>()

  /** Counts one; returns how many there were since they were told last, or 0 when it is too soon to tell. */
  occur(kind: string, nowMs: number): number {
    let known = this.#kinds.get(kind)
    if (known === undefined) {
      if (this.#kinds.size >= MAX_KINDS) this.#kinds.clear()
      known = { toldMs: -Infinity, times: 0 }
      this.#kinds.set(kind, known)
    }
    known.times++
    if (nowMs - known.toldMs < TELL_MS) return 0
    const { times } = known
    known.toldMs = nowMs
    known.times = 0
    return times
  }
}
