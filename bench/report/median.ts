import type { Cell } from '../result.ts'

/** The middle of some values, NaN of none. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  const upper = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2
}

/** A figure's median over the rounds of one candidate in one scenario; NaN where it was not measured. */
export function figure(
  cells: readonly Cell[],
  scenario: string,
  candidate: string,
  of: (cell: Cell) => number | null | undefined,
): number {
  const values = cells
    .filter((cell) => cell.scenario === scenario && cell.candidate === candidate)
    .flatMap((cell) => of(cell) ?? [])
  return median(values)
}
