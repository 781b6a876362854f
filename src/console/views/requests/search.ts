import type { Filter, Range } from '../../words/filter.ts'

/** A search as it was asked: its window is of moments, so that the pages and counts are of the same. */
export interface Search {
  /** Of another search it is another. */
  readonly key: string
  readonly filter: Filter
  readonly range: Range
}
