import type { Cell, Result } from '../harness/result.ts'
import { figure, median, type Reading } from './median.ts'
import { number } from './text-table.ts'

interface Column {
  readonly head: string
  readonly of: Reading
  readonly digits: number
}

const COLUMNS: readonly Column[] = [
  { head: 'CPU µs', of: (cell) => cell.cpuUs?.total, digits: 1 },
  { head: 'user', of: (cell) => cell.cpuUs?.user, digits: 1 },
  { head: 'system', of: (cell) => cell.cpuUs?.system, digits: 1 },
  { head: 'Postgres µs', of: (cell) => cell.postgresUs, digits: 1 },
  { head: 'requests/s', of: (cell) => cell.requestsPerSecond, digits: 0 },
  { head: 'MB/s', of: (cell) => cell.megabytesPerSecond, digits: 0 },
  { head: 'p50 ms', of: (cell) => cell.latencyMs.p50, digits: 2 },
  { head: 'p99 ms', of: (cell) => cell.latencyMs.p99, digits: 2 },
  { head: 'p99.9 ms', of: (cell) => cell.latencyMs.p999, digits: 2 },
  { head: 'RSS MiB', of: (cell) => cell.residentBytes && cell.residentBytes / 1_048_576, digits: 0 },
]
const MEGA = 1e6

/** The medians of one scenario, a candidate per row, cheapest first; with a head. */
export function scenarioRows(cells: readonly Cell[], scenario: string): string[][] {
  const names = candidatesIn(cells, scenario)
  const cpu = (name: string): number => figure(cells, scenario, name, (cell) => cell.cpuUs?.total)
  const baseline = names.includes('http-proxy') ? 'http-proxy' : (names.at(-1) ?? '')
  // A download costs CPU by the byte: the time of one says nothing in microseconds.
  const perGigabyte = (name: string): number =>
    figure(
      cells,
      scenario,
      name,
      (cell) =>
        cell.cpuUs && ((cell.cpuUs.total * cell.requestsPerSecond) / cell.megabytesPerSecond / MEGA) * 1000,
    )
  const rowOf = (name: string): string[] => {
    const values = COLUMNS.map(({ of, digits }) => number(figure(cells, scenario, name, of), digits))
    return [name, number(cpu(name) / cpu(baseline), 2), ...values, number(perGigabyte(name), 2)]
  }
  const rows = names.toSorted((a, b) => (cpu(a) || 0) - (cpu(b) || 0)).map(rowOf)
  return [['candidate', `÷ ${baseline}`, ...COLUMNS.map(({ head }) => head), 'CPU s/GB'], ...rows]
}

/** The candidates that were measured in a scenario, in the order in which they were. */
export function candidatesIn(cells: readonly Cell[], scenario: string): string[] {
  return [...new Set(cells.filter((cell) => cell.scenario === scenario).map(({ candidate }) => candidate))]
}

/** The figures beside the tables: median and range; with a head. */
export function figureRows({ figures }: Result): string[][] {
  const rows = figures.map(({ scenario, candidate, name, unit, values }) => {
    const digits = Math.max(...values) < 100 ? 2 : 0
    const range =
      values.length < 2
        ? ''
        : `${number(Math.min(...values), digits)} to ${number(Math.max(...values), digits)}`
    return [`${scenario}: ${name}`, candidate, number(median(values), digits), unit, range]
  })
  return [['figure', 'candidate', 'median', 'unit', 'range'], ...rows]
}
