/** Replies of another process to what it was asked, by the number of the question, for as long as somebody waits. */
export class PendingReplies<T> {
  readonly #waiting = new Map<number, (reply: T) => void>()

  /** Sends a question; resolves with its reply, or with `late` when none came in time or the other has ended. */
  async ask(
    id: number,
    send: () => void,
    bounds: { readonly timeoutMs: number; readonly ended: Promise<unknown>; readonly late: T },
  ): Promise<T> {
    let timer: NodeJS.Timeout | undefined
    const replied = new Promise<T>((resolve) => void this.#waiting.set(id, resolve))
    const isLate = new Promise<T>((resolve) => {
      timer = setTimeout(() => resolve(bounds.late), bounds.timeoutMs)
      void bounds.ended.then(() => resolve(bounds.late))
    })
    try {
      send()
      return await Promise.race([replied, isLate])
    } finally {
      clearTimeout(timer)
      this.#waiting.delete(id)
    }
  }

  /** A reply has come; one that nobody waits for any more is dropped. */
  reply(id: number, reply: T): void {
    this.#waiting.get(id)?.(reply)
  }
}
