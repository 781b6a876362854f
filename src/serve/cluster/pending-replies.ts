/** Questions to another process that it has not answered yet. */
export class Questions<T> {
  readonly #waiting = new Map<number, (answer: T) => void>()

  /** Sends a question; resolves with its answer, or with `late` when none came in time or the other has ended. */
  async ask(
    id: number,
    send: () => void,
    bounds: { readonly timeoutMs: number; readonly ended: Promise<unknown>; readonly late: T },
  ): Promise<T> {
    let timer: NodeJS.Timeout | undefined
    const answered = new Promise<T>((resolve) => void this.#waiting.set(id, resolve))
    const isLate = new Promise<T>((resolve) => {
      timer = setTimeout(() => resolve(bounds.late), bounds.timeoutMs)
      void bounds.ended.then(() => resolve(bounds.late))
    })
    try {
      send()
      return await Promise.race([answered, isLate])
    } finally {
      clearTimeout(timer)
      this.#waiting.delete(id)
    }
  }

  /** An answer has come; one that nobody waits for any more is dropped. */
  answer(id: number, answer: T): void {
    this.#waiting.get(id)?.(answer)
  }
}
