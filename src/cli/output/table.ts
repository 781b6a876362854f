import { cellWidth, cutToWidth, escapeUnsafe } from './text.ts'

/** One column of a terminal table. */
export interface TableColumn {
  readonly title: string
  readonly isRight?: boolean
  /** Cells that the column may be shrunk to; without it, it is never cut. */
  readonly minWidth?: number
  /** Where the terminal is too narrow, the columns with the highest number go first; without it, it stays. */
  readonly dropOrder?: number
}

const GAP = '  '

/**
 * Lays out rows under headings. Widths come from the first rows given and only grow afterwards, so that a stream of
 * rows is printed as it comes, at constant memory. `maxWidth` is null for a file or pipe: nothing is cut there.
 */
export class Table {
  readonly #columns: readonly TableColumn[]
  readonly #maxWidth: number | null
  #widths: number[] = []
  #shown: readonly number[] | null = null

  constructor(columns: readonly TableColumn[], maxWidth: number | null) {
    this.#columns = columns
    this.#maxWidth = maxWidth
  }

  /** The lines for these rows, headings before the first ones; each ends in a newline. */
  lines(rows: readonly (readonly string[])[]): string {
    const cells = rows.map((row) => row.map(escapeUnsafe))
    const isFirst = this.#shown === null
    const shown = this.#shown ?? this.#fit(cells)
    this.#shown = shown
    if (!isFirst) this.#grow(cells, shown)
    const titles = this.#columns.map((c) => c.title)
    return (isFirst ? [titles, ...cells] : cells).map((row) => this.#line(row, shown)).join('')
  }

  #line(row: readonly string[], shown: readonly number[]): string {
    const parts = shown.map((i, place) => {
      const isLast = place === shown.length - 1
      const width = isLast ? this.#restWidth(shown) : (this.#widths[i] ?? 0)
      const isCut = this.#maxWidth !== null && this.#columns[i]?.minWidth !== undefined
      const text = isCut ? cutToWidth(row[i] ?? '', width) : (row[i] ?? '')
      const pad = ' '.repeat(isLast && isCut ? 0 : Math.max(0, width - cellWidth(text)))
      return this.#columns[i]?.isRight === true ? pad + text : text + pad
    })
    return `${parts.join(GAP).trimEnd()}\n`
  }

  /** Width of the last column: all that the others leave where it may be cut, for nothing stands behind it. */
  #restWidth(shown: readonly number[]): number {
    const last = shown.at(-1) ?? 0
    const own = this.#widths[last] ?? 0
    if (this.#maxWidth === null || this.#columns[last]?.minWidth === undefined) return own
    return Math.max(own, this.#maxWidth - this.#sum(shown) + own)
  }

  /** Width of a line with the present widths. */
  #sum(shown: readonly number[]): number {
    return shown.reduce((sum, i) => sum + (this.#widths[i] ?? 0), GAP.length * (shown.length - 1))
  }

  #fit(rows: readonly (readonly string[])[]): readonly number[] {
    this.#widths = this.#columns.map((column, i) =>
      rows.reduce((width, row) => Math.max(width, cellWidth(row[i] ?? '')), cellWidth(column.title)),
    )
    const shown = this.#columns.map((_, i) => i)
    const limit = this.#maxWidth
    if (limit === null) return shown
    while (this.#least(shown) > limit) {
      const next = shown.reduce((a, b) => (this.#dropOrder(b) > this.#dropOrder(a) ? b : a))
      if (this.#dropOrder(next) === 0) break
      shown.splice(shown.indexOf(next), 1)
    }
    this.#shrink(shown, limit)
    return shown
  }

  #dropOrder(index: number): number {
    return this.#columns[index]?.dropOrder ?? 0
  }

  /** Width of the line when every column that may shrink has shrunk. */
  #least(shown: readonly number[]): number {
    const widths = shown.map((i) => Math.min(this.#widths[i] ?? 0, this.#columns[i]?.minWidth ?? Infinity))
    return widths.reduce((sum, w) => sum + w, GAP.length * (shown.length - 1))
  }

  /** Takes cell by cell from the widest column that may shrink, until the line fits. */
  #shrink(shown: readonly number[], limit: number): void {
    const width = (i: number): number => this.#widths[i] ?? 0
    let excess = this.#sum(shown) - limit
    for (; excess > 0; excess--) {
      const able = shown.filter((i) => width(i) > (this.#columns[i]?.minWidth ?? Infinity))
      if (able.length === 0) return
      const widest = able.reduce((a, b) => (width(b) > width(a) ? b : a))
      this.#widths[widest] = width(widest) - 1
    }
  }

  /** Later rows widen columns; on a terminal only into room that is free or that the last column can spare. */
  #grow(rows: readonly (readonly string[])[], shown: readonly number[]): void {
    const last = shown.at(-1) ?? 0
    const least = this.#columns[last]?.minWidth
    if (this.#maxWidth !== null && least !== undefined) {
      this.#widths[last] = Math.min(this.#widths[last] ?? 0, least)
    }
    let free = this.#maxWidth === null ? Infinity : Math.max(0, this.#maxWidth - this.#sum(shown))
    for (const i of shown) {
      const width = this.#widths[i] ?? 0
      const wanted = rows.reduce((w, row) => Math.max(w, cellWidth(row[i] ?? '')), width)
      const added = Math.min(wanted - width, free)
      this.#widths[i] = width + added
      free -= added
    }
  }
}
