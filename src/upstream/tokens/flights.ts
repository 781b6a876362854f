type Waiter<T> = (value: T) => void

/** What is under way once, for all who wait for it. One who leaves does not end it for the others. */
export class Flights<T> {
  readonly #flights = new Map<string, Set<Waiter<T>>>()

  /** Begins what `key` stands for unless it is under way. The result takes the waiter away. */
  join(key: string, begin: (done: (value: T) => void) => void, waiter: Waiter<T>): () => void {
    const waiters = this.#flights.get(key)
    if (waiters !== undefined) {
      waiters.add(waiter)
      return () => waiters.delete(waiter)
    }
    const fresh = new Set([waiter])
    this.#flights.set(key, fresh)
    try {
      begin((value) => {
        this.#flights.delete(key)
        for (const one of fresh) one(value)
      })
    } catch (error) {
      // Nobody would ever end it.
      this.#flights.delete(key)
      throw error
    }
    return () => fresh.delete(waiter)
  }
}
