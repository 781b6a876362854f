/** Counts the connections of each source, lest one take them all. As many sources as there are connections, at most. */
export class Sources {
  readonly #open = new Map<string, number>()
  /** Connections that one source may have open. */
  max: number

  constructor(max: number) {
    this.max = max
  }

  /** Counts a connection in; false, and not counted, when the source has its number. */
  enter(source: string): boolean {
    const open = this.#open.get(source) ?? 0
    if (open >= this.max) return false
    this.#open.set(source, open + 1)
    return true
  }

  leave(source: string): void {
    const open = this.#open.get(source) ?? 0
    if (open > 1) this.#open.set(source, open - 1)
    else this.#open.delete(source)
  }
}
