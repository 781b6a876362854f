/** An object that knows its place in a roster; -1 when it is in none. */
export interface Enrolled {
  place: number
}

/**
 * The objects that are there at present, in no order: for use in place of a `Set` where many come and go, because the old tables
 * of such a `Set` keep its members alive (docs/decisions/0002, with figures).
 */
export class Roster<T extends Enrolled> implements Iterable<T> {
  readonly #items: T[] = []

  get size(): number {
    return this.#items.length
  }

  /** Takes in one that is in no roster. */
  add(item: T): void {
    item.place = this.#items.length
    this.#items.push(item)
  }

  /** Takes one out; does nothing when it is not in. */
  delete(item: T): void {
    const { place } = item
    if (place === -1) return
    item.place = -1
    const last = this.#items.pop()
    if (last === undefined || last === item) return
    this.#items[place] = last
    last.place = place
  }

  /** Those that are in at this moment: they may be taken out meanwhile. */
  [Symbol.iterator](): IterableIterator<T> {
    return this.#items.slice().values()
  }
}
