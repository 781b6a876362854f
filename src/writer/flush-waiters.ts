interface Waiter {
  readonly upTo: number
  readonly resolve: () => void
  readonly reject: (error: Error) => void
}

/** Callers of flush() that wait for the entries up to a seq. */
export class FlushWaiters {
  #waiters: Waiter[] = []

  /** Resolves, or rejects, when a later `settle`, or `reject`, says so. */
  wait(upTo: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiters.push({ upTo, resolve, reject })
    })
  }

  /** Resolves those whose entries are all settled. */
  settle(isSettled: (upTo: number) => boolean): void {
    this.#waiters = this.#waiters.filter((waiter) => {
      if (!isSettled(waiter.upTo)) return true
      waiter.resolve()
      return false
    })
  }

  reject(error: Error): void {
    for (const waiter of this.#waiters) waiter.reject(error)
    this.#waiters = []
  }
}
