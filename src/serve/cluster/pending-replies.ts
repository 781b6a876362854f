import { within } from '../../lib/time/within.ts'

/** Replies of another process to what it was asked, by the number of the question, for as long as somebody waits. */
export class PendingReplies<T> {
  readonly #waiting = new Map<number, { readonly reply: (reply: T) => void; readonly late: T }>()
  #hasEnded = false

  /** Sends a question; resolves with its reply, or with `late` when none came in time or the other has ended. */
  async ask(
    id: number,
    send: () => void,
    bounds: { readonly timeoutMs: number; readonly late: T },
  ): Promise<T> {
    const { timeoutMs, late } = bounds
    if (this.#hasEnded) return late
    const replied = new Promise<T>((reply) => void this.#waiting.set(id, { reply, late }))
    try {
      send()
      return await within(replied, { ms: timeoutMs, late: () => late })
    } finally {
      this.#waiting.delete(id)
    }
  }

  /** A reply has come; one that nobody waits for any more is dropped. */
  reply(id: number, reply: T): void {
    this.#waiting.get(id)?.reply(reply)
  }

  /** The other process has ended: nobody waits for it any more. */
  end(): void {
    this.#hasEnded = true
    for (const { reply, late } of this.#waiting.values()) reply(late)
  }
}
