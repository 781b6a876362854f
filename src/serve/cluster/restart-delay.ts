const MIN_MS = 100
const MAX_MS = 10_000
const FORGET_AFTER_MS = 60_000

/** How long to wait before a worker that died is started again: 100 ms, doubled with each death in a row, 10 s at most. */
export class RestartDelay {
  #nextMs = MIN_MS

  /** Milliseconds to wait after the death of one that lived for so long; a minute of life begins anew. */
  after(livedMs: number): number {
    if (livedMs >= FORGET_AFTER_MS) this.#nextMs = MIN_MS
    const waitMs = this.#nextMs
    this.#nextMs = Math.min(MAX_MS, waitMs * 2)
    return waitMs
  }
}
