import { otherBuildOf } from '../harness/other-build.ts'
import type { Cell, Result } from '../harness/result.ts'
import { SCENARIOS } from '../scenarios.ts'
import { figure, pairedValues, type Reading } from './median.ts'
import { candidatesIn } from './scenario-table.ts'
import { spreadOf, type Spread } from './spread.ts'
import { number } from './text-table.ts'

/** A part of a report: this build beside the other one. */
interface BuildComparison {
  readonly title: string
  /** With a head. */
  readonly rows: readonly (readonly string[])[]
  readonly note: string
}

const READINGS: readonly { readonly name: string; readonly of: Reading; readonly digits: number }[] = [
  { name: 'CPU µs', of: (cell: Cell) => cell.cpuUs?.total, digits: 1 },
  { name: 'user', of: (cell: Cell) => cell.cpuUs?.user, digits: 1 },
  { name: 'system', of: (cell: Cell) => cell.cpuUs?.system, digits: 1 },
  { name: 'Postgres µs', of: (cell: Cell) => cell.postgresUs, digits: 1 },
  { name: 'requests/s', of: (cell: Cell) => cell.requestsPerSecond, digits: 0 },
]
const NOTE = `"÷" is the median of each round's own ratio, this build ÷ other; "95 %" the interval of that median (order statistics, from six rounds on). 1 inside it: this run shows no difference. Processes of the same build differ among each other as well: --fresh has that in the interval.`

/** The two builds of a run with `--against`, ratios formed within each round; null when only one took part. */
export function buildComparison({ cells, commit, against }: Result): BuildComparison | null {
  if (against === undefined) return null
  const rows: string[][] = []
  for (const { name } of SCENARIOS) {
    const known = candidatesIn(cells, name)
    for (const candidate of known.filter((each) => known.includes(otherBuildOf(each))))
      rows.push(...rowsOf(cells, name, candidate))
  }
  if (rows.length === 0) return null
  const head = [
    'scenario, candidate',
    'figure',
    'other',
    'this',
    '÷',
    '95 %',
    'range',
    'rounds',
    'lower in',
    'difference',
  ]
  return { title: `This build, ${commit}, ÷ other, ${against}`, rows: [head, ...rows], note: NOTE }
}

function rowsOf(cells: readonly Cell[], scenario: string, candidate: string): string[][] {
  const other = otherBuildOf(candidate)
  const rows: string[][] = []
  for (const { name, of, digits } of READINGS) {
    const combine = (left: number, right: number): number => left / right
    const pair = { scenario, left: candidate, right: other, of, combine }
    // PostgreSQL may take no tick at all for a short round.
    const ratios = pairedValues(cells, pair).filter(Number.isFinite)
    if (ratios.length === 0) continue
    const spread = spreadOf(ratios)
    rows.push([
      `${scenario}, ${candidate}`,
      name,
      number(figure(cells, scenario, other, of), digits),
      number(figure(cells, scenario, candidate, of), digits),
      number(spread.median, 3),
      spread.interval === null ? '–' : range(...spread.interval),
      range(spread.least, spread.most),
      String(ratios.length),
      String(ratios.filter((ratio) => ratio < 1).length),
      verdictOf(spread),
    ])
  }
  return rows
}

function range(from: number, to: number): string {
  return `${number(from, 3)} to ${number(to, 3)}`
}

function verdictOf({ interval }: Spread): string {
  if (interval === null) return 'too few rounds'
  const [low, high] = interval
  return low > 1 ? 'higher' : high < 1 ? 'lower' : 'none shown'
}
