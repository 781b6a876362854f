/** Rows on the page, and rows that wait for it. */
export const MAX_ROWS = 1000
/** Ids that are remembered, to tell entries that come again: ten seconds of 2,000 a second. */
const MAX_IDS = 20_000

interface Row {
  readonly id: string
}

/** Rows of a tail: nothing that came is neither shown, nor waits, nor is counted as left out. */
export class TailBuffer<T extends Row> {
  /** Newest first. */
  rows: readonly T[] = []
  /** That came, each once. */
  came = 0
  /** That came since `show`. */
  fresh = 0
  /** That are not shown, and will not be. */
  leftOut = 0
  /** Whether others were left out that nobody has counted. */
  isMoreLeftOut = false
  #waiting: T[] = []
  #ids = new Set<string>()
  #olderIds = new Set<string>()

  /** One that came. */
  take(row: T): void {
    if (!this.#isNew(row)) return
    this.came++
    this.fresh++
    this.#waiting.push(row)
    if (this.#waiting.length <= MAX_ROWS) return
    this.#waiting.shift()
    this.leftOut++
  }

  /** What the gateway did not send; null where nobody counted it. */
  miss(n: number | null): void {
    if (n === null) this.isMoreLeftOut = true
    else this.leftOut += n
  }

  /** Rows of before the first, newest first. They count as none that came. */
  putBefore(rows: readonly T[]): void {
    this.rows = [...this.rows, ...rows.filter((row) => this.#isNew(row))].slice(0, MAX_ROWS)
  }

  /** Puts what waits on the page. */
  show(): void {
    this.rows = [...this.#waiting.toReversed(), ...this.rows].slice(0, MAX_ROWS)
    this.#waiting = []
    this.fresh = 0
  }

  #isNew({ id }: T): boolean {
    if (this.#ids.has(id) || this.#olderIds.has(id)) return false
    if (this.#ids.size >= MAX_IDS) {
      this.#olderIds = this.#ids
      this.#ids = new Set()
    }
    this.#ids.add(id)
    return true
  }
}
