/** Something that becomes due; of those due at the same time the lower number goes first. */
export interface Due {
  readonly dueTick: number
  readonly seq: number
}

/** A binary heap: the first due is on top. */
export class DueHeap<T extends Due> {
  readonly #items: T[] = []

  get size(): number {
    return this.#items.length
  }

  get first(): T | undefined {
    return this.#items[0]
  }

  push(item: T): void {
    const items = this.#items
    items.push(item)
    for (let at = items.length - 1; at > 0;) {
      const above = (at - 1) >> 1
      if (!this.#isBefore(at, above)) return
      this.#swap(at, above)
      at = above
    }
  }

  pop(): T | undefined {
    const items = this.#items
    const top = items[0]
    const last = items.pop()
    if (last === undefined || items.length === 0) return top
    items[0] = last
    for (let at = 0; ;) {
      let least = at
      for (const below of [2 * at + 1, 2 * at + 2])
        if (below < items.length && this.#isBefore(below, least)) least = below
      if (least === at) return top
      this.#swap(at, least)
      at = least
    }
  }

  #isBefore(one: number, other: number): boolean {
    const [a, b] = [this.#items[one], this.#items[other]]
    if (a === undefined || b === undefined) return false
    return a.dueTick === b.dueTick ? a.seq < b.seq : a.dueTick < b.dueTick
  }

  #swap(one: number, other: number): void {
    const items = this.#items
    const [a, b] = [items[one], items[other]]
    if (a === undefined || b === undefined) return
    items[one] = b
    items[other] = a
  }
}
