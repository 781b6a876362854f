import type { Cell, Result } from '../harness/result.ts'
import { SCENARIOS } from '../scenarios.ts'
import { goalsOf } from './goals.ts'
import { extraFigure, figure, type Reading } from './median.ts'
import { candidatesIn } from './scenario-table.ts'
import { number, textTable } from './text-table.ts'

/** Rounds differ by about as much from each other; a change below says nothing. */
const NOISE = 0.05

/** What is compared of each cell: in which direction it gets better, no column says. */
const READINGS: readonly { readonly head: string; readonly of: Reading; readonly digits: number }[] = [
  { head: 'CPU µs', of: (cell: Cell) => cell.cpuUs?.total, digits: 1 },
  { head: 'p99 ms', of: (cell: Cell) => cell.latencyMs.p99, digits: 2 },
]

/** Two results as text: the same candidate in the same scenario, before and after, then the further figures and the goals. */
export function comparison(before: Result, after: Result): string {
  const parts = [`before: ${source(before)}\nafter:  ${source(after)}`]
  const isSame = before.machine.cpu === after.machine.cpu && before.machine.cores === after.machine.cores
  if (!isSame) parts.push('The machines differ: compare ratios within a run, not these figures.')
  for (const { name } of SCENARIOS) {
    const rows = scenarioRows(before, after, name)
    if (rows.length > 1) parts.push(`## ${name}`, textTable(rows))
  }
  const further = furtherRows(before, after)
  if (further.length > 1) parts.push('## Further figures', textTable(further))
  parts.push('## Goals', textTable(goalRows(before, after)))
  return parts.join('\n\n')
}

function source({ at, commit, problems }: Result): string {
  return `${at.slice(0, 16)} ${commit}${problems.length > 0 ? ' (DOES NOT COUNT)' : ''}`
}

function scenarioRows(before: Result, after: Result, scenario: string): string[][] {
  const known = candidatesIn(after.cells, scenario)
  const both = candidatesIn(before.cells, scenario).filter((candidate) => known.includes(candidate))
  const head = ['candidate', ...READINGS.flatMap(({ head }) => [`${head} before`, 'after', 'change'])]
  const rows = both.map((candidate) => {
    const row = [candidate]
    for (const { of, digits } of READINGS) {
      row.push(
        ...change(
          figure(before.cells, scenario, candidate, of),
          figure(after.cells, scenario, candidate, of),
          digits,
        ),
      )
    }
    return row
  })
  return [head, ...rows]
}

function furtherRows(before: Result, after: Result): string[][] {
  const rows = [['figure', 'candidate', 'unit', 'before', 'after', 'change']]
  for (const { scenario, name, candidate, unit } of before.figures) {
    const [old, now] = [before, after].map((result) => extraFigure(result, scenario, name, candidate))
    if (!Number.isNaN(now)) rows.push([`${scenario}: ${name}`, candidate, unit, ...change(old, now, 2)])
  }
  return rows
}

function goalRows(before: Result, after: Result): string[][] {
  const news = goalsOf(after)
  const rows = goalsOf(before).map(({ what, wanted, value, verdict }, i) => {
    const now = news[i]
    return [what, wanted, number(value, 2), verdict, number(now?.value ?? Number.NaN, 2), now?.verdict ?? '']
  })
  return [['everything on', 'goal', 'before', '', 'after', ''], ...rows]
}

function change(before = Number.NaN, after = Number.NaN, digits: number): string[] {
  const share = after / before - 1
  const percent = `${share > 0 ? '+' : ''}${number(share * 100, 0)} %`
  const text = Number.isFinite(share) ? (Math.abs(share) < NOISE ? '~' : percent) : '–'
  return [number(before, digits), number(after, digits), text]
}
