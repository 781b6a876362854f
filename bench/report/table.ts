import type { Cell } from '../result.ts'
import { figure } from './median.ts'

interface Column {
  readonly head: string
  readonly of: (cell: Cell) => number | null | undefined
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
  { head: 'RSS MiB', of: (cell) => (cell.residentBytes === null ? null : cell.residentBytes / 1048576), digits: 0 },
]

/** The medians of one scenario, a candidate per line, cheapest first; `baseline` is what the first ratio divides by. */
export function scenarioTable(cells: readonly Cell[], scenario: string, baseline: string): string {
  const names = [...new Set(cells.filter((cell) => cell.scenario === scenario).map(({ candidate }) => candidate))]
  const cpu = (name: string): number => figure(cells, scenario, name, (cell) => cell.cpuUs?.total)
  const rows = names
    .toSorted((a, b) => (cpu(a) || 0) - (cpu(b) || 0))
    .map((name) => [
      name,
      number(cpu(name) / cpu(baseline), 2),
      ...COLUMNS.map(({ of, digits }) => number(figure(cells, scenario, name, of), digits)),
    ])
  return textTable([['candidate', `÷ ${baseline}`, ...COLUMNS.map(({ head }) => head)], ...rows])
}

/** Lines of columns as wide as needed; the first aligned to the left, the others to the right. */
export function textTable(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, i) => Math.max(...rows.map((row) => row[i]?.length ?? 0)))
  const line = (row: readonly string[]): string =>
    row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))).join('  ')
  return rows.map(line).join('\n')
}

/** A number with so many digits after the point, "–" for none. */
export function number(value: number, digits: number): string {
  return Number.isFinite(value) ? value.toFixed(digits) : '–'
}
