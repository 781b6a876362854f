import type { Cell, Result } from '../harness/result.ts'
import { SCENARIOS } from '../scenarios.ts'
import { figure } from './median.ts'
import { candidatesIn } from './scenario-table.ts'
import { barPlot, type BarPlot } from './svg.ts'

interface Plot {
  readonly file: string
  readonly scenario: string
  readonly title: string
  readonly series: Readonly<Record<string, (cell: Cell) => number | null | undefined>>
  readonly digits: number
  readonly isStacked: boolean
}

const CPU = {
  user: (cell: Cell) => cell.cpuUs?.user,
  system: (cell: Cell) => cell.cpuUs?.system,
  PostgreSQL: (cell: Cell) => (cell.cpuUs === null ? null : (cell.postgresUs ?? 0)),
}
const PERCENTILES = {
  p50: (cell: Cell) => cell.latencyMs.p50,
  p99: (cell: Cell) => cell.latencyMs.p99,
  'p99.9': (cell: Cell) => cell.latencyMs.p999,
}

const PLOTS: readonly Plot[] = [
  ...SCENARIOS.filter(({ rate, tenants }) => rate === null && tenants === null).map(({ name }) => ({
    file: `cpu-${name}.svg`,
    scenario: name,
    title: 'CPU time per request, µs',
    series: CPU,
    digits: 1,
    isStacked: true,
  })),
  {
    file: 'latency.svg',
    scenario: 'latency',
    title: 'Latency, ms',
    series: PERCENTILES,
    digits: 2,
    isStacked: false,
  },
  {
    file: 'throughput.svg',
    scenario: '1k',
    title: 'Requests per second on one core',
    series: { 'requests/s': (cell: Cell) => cell.requestsPerSecond },
    digits: 0,
    isStacked: false,
  },
  {
    file: 'memory.svg',
    scenario: '1000-connections',
    title: 'Resident memory under load, MiB',
    series: { RSS: (cell: Cell) => cell.residentBytes && cell.residentBytes / 1_048_576 },
    digits: 0,
    isStacked: false,
  },
]

/** The plots of what was measured: name of the file → SVG. */
export function plotsOf({ cells }: Result): Map<string, string> {
  const files = new Map<string, string>()
  for (const plot of PLOTS) {
    const drawn = drawingOf(plot, cells)
    if (drawn.bars.length > 0) files.set(plot.file, barPlot(drawn))
  }
  return files
}

function drawingOf({ scenario, title, series, digits, isStacked }: Plot, cells: readonly Cell[]): BarPlot {
  const bars = candidatesIn(cells, scenario)
    .map((label) => ({
      label,
      values: Object.values(series).map((of) => figure(cells, scenario, label, of)),
    }))
    .filter(({ values }) => values.every(Number.isFinite))
    .toSorted((a, b) => sum(a.values) - sum(b.values))
  const subtitle = `${SCENARIOS.find(({ name }) => name === scenario)?.what ?? scenario}; medians`
  return { title, subtitle, series: Object.keys(series), bars, digits, isStacked, emphasis: 'waybill' }
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}
