import type { Figure } from '../harness/result.ts'

/** Takes a figure down; one of the same name in every round. */
export type RecordFigure = (name: string, unit: string, value: number) => void

/** What Waybill's figures of a scenario are gathered in, told as they come with so many digits. */
export function figureRecorder(
  scenario: string,
  { tell, digits }: { readonly tell: (line: string) => void; readonly digits: number },
): { readonly record: RecordFigure; readonly figures: ReadonlyMap<string, Figure> } {
  const figures = new Map<string, Figure & { values: number[] }>()
  const record: RecordFigure = (name, unit, value) => {
    const known = figures.get(name) ?? { scenario, candidate: 'waybill', name, unit, values: [] }
    known.values.push(value)
    figures.set(name, known)
    tell(`${name}: ${value.toFixed(digits)} ${unit}`)
  }
  return { record, figures }
}
