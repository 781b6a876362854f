/** A transaction that stores deliveries ends within this, or its senders have been told otherwise. */
const LAG_MS = 10_000
const MARK_MS = 500

/**
 * From which number on a route's deliveries are looked for. Numbers are given before their transactions commit, in any order: behind the
 * highest that was seen a lower one may come, and what its sender gave next must not go before it. So the look begins where the highest
 * was a while ago.
 */
export class SafeCursor {
  #marks: { readonly atMs: number; readonly seq: number }[] = []

  /** Notes the highest number seen, and gives the one after which all is to be looked for. Time must not go back. */
  after(seq: number, nowMs: number): number {
    const last = this.#marks.at(-1)
    if (last === undefined || nowMs - last.atMs >= MARK_MS) this.#marks.push({ atMs: nowMs, seq })
    while ((this.#marks[1]?.atMs ?? Infinity) <= nowMs - LAG_MS) this.#marks.shift()
    const [first] = this.#marks
    return first !== undefined && first.atMs <= nowMs - LAG_MS ? first.seq : 0
  }
}
