import type { Cell, Result } from '../harness/result.ts'

/** Reads one figure of a cell. */
export type Reading = (cell: Cell) => number | null | undefined

/** The middle of some values, NaN of none. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  const upper = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2
}

/** A figure of one candidate in one scenario: the median over the rounds; NaN where it was not measured. */
export function figure(cells: readonly Cell[], scenario: string, candidate: string, of: Reading): number {
  return median(byRound(cells, scenario, candidate, of).filter((value) => value !== undefined))
}

/** Two candidates whose figures of the same round make one. */
export interface Pair {
  readonly scenario: string
  readonly left: string
  readonly right: string
  readonly of: Reading
  readonly combine: (left: number, right: number) => number
}

/**
 * What `combine` makes of two candidates' figures of the same round: the median over the rounds. Neighbours in time share the
 * machine's mood, so this moves less than a ratio of medians.
 */
export function paired(cells: readonly Cell[], pair: Pair): number {
  return median(pairedValues(cells, pair))
}

/** The same for each round that has both. */
export function pairedValues(cells: readonly Cell[], options: Pair): number[] {
  const { scenario, of, combine } = options
  const right = byRound(cells, scenario, options.right, of)
  const values: number[] = []
  for (const [round, value] of byRound(cells, scenario, options.left, of).entries()) {
    const other = right[round]
    if (value !== undefined && other !== undefined) values.push(combine(value, other))
  }
  return values
}

function byRound(
  cells: readonly Cell[],
  scenario: string,
  candidate: string,
  of: Reading,
): (number | undefined)[] {
  const values: (number | undefined)[] = []
  for (const cell of cells) {
    if (cell.scenario === scenario && cell.candidate === candidate) values[cell.round] = of(cell) ?? undefined
  }
  return values
}

/** The median of a figure beside the tables; NaN where it was not measured. */
export function extraFigure(
  { figures }: Result,
  scenario: string,
  name: string,
  candidate = 'waybill',
): number {
  const found = figures.find(
    (each) => each.scenario === scenario && each.name === name && each.candidate === candidate,
  )
  return median(found?.values ?? [])
}
