import type { Cell, Result } from '../harness/result.ts'
import { extraFigure, paired } from './median.ts'
import { number } from './text-table.ts'

/** A figure that shall be at most, or at least, so much. */
export interface Goal {
  readonly what: string
  readonly wanted: string
  readonly value: number
  readonly verdict: 'met' | 'not met' | 'not measured'
}

interface Aim {
  readonly what: string
  readonly bound: 'at most' | 'at least'
  readonly goal: number
  readonly digits: number
  readonly unit?: string
  readonly of: (result: Result) => number
}

const cpu = (cell: Cell): number | undefined => cell.cpuUs?.total
const cpuOfAll = (cell: Cell): number | undefined =>
  cell.cpuUs === null || cell.postgresUs === null ? undefined : cell.cpuUs.total + cell.postgresUs
const throughput = (cell: Cell): number => cell.megabytesPerSecond

const divide = (left: number, right: number): number => left / right

function ratio(left: string, right: string, scenario = '1k', of: (cell: Cell) => number | undefined = cpu) {
  return ({ cells }: Result): number => paired(cells, { scenario, left, right, of, combine: divide })
}

/** Noise of a p99 on a machine that does nothing else; the outage's latency may be no more than this above. */
const P99_NOISE = 1.1

const AIMS: readonly Aim[] = [
  aim('CPU per 1 KiB request ÷ bare http-proxy', 'at most', 0.6, ratio('waybill', 'http-proxy')),
  aim(
    'CPU per 1 KiB request ÷ bare Go ReverseProxy, no buffer pool',
    'at most',
    0.95,
    ratio('waybill', 'go'),
  ),
  aim('CPU per 1 KiB request ÷ bare nginx', 'at most', 2.6, ratio('waybill', 'nginx')),
  {
    ...aim('what keys, limits, entry and COPY add to the gateway with them off', 'at most', 9, ({ cells }) =>
      paired(cells, {
        scenario: '1k',
        left: 'waybill',
        right: 'waybill-off',
        of: cpu,
        combine: (on, off) => on - off,
      }),
    ),
    digits: 1,
    unit: 'µs',
  },
  aim('p99 at 70 % load, PostgreSQL frozen ÷ healthy', 'at most', P99_NOISE, (result) =>
    extraFigure(result, 'outage', 'p99 frozen ÷ healthy'),
  ),
  aim(
    'INSERT per request ÷ Waybill, CPU of proxy and PostgreSQL',
    'at least',
    3,
    ratio('naive-insert', 'waybill', '1k', cpuOfAll),
  ),
  {
    ...aim('writer, batches of 128, one core for Node', 'at least', 80_000, (result) =>
      extraFigure(result, 'writer', 'batches of 128'),
    ),
    digits: 0,
    unit: 'rows/s',
  },
  aim(
    'CPU per GB of a 256 MiB download ÷ http-proxy-3',
    'at most',
    1.3,
    ratio('waybill', 'http-proxy-3', 'download'),
  ),
  aim('CPU per GB of a 256 MiB download ÷ Caddy', 'at most', 1.3, ratio('waybill', 'caddy', 'download')),
  aim(
    'http-proxy-3 ÷ Waybill, MB/s of a 256 MiB download',
    'at most',
    1.3,
    ratio('http-proxy-3', 'waybill', 'download', throughput),
  ),
  aim(
    'Caddy ÷ Waybill, MB/s of a 256 MiB download',
    'at most',
    1.3,
    ratio('caddy', 'waybill', 'download', throughput),
  ),
  aim(
    'CPU per GB of 1 MiB uploads ÷ http-proxy-3',
    'at most',
    1.3,
    ratio('waybill', 'http-proxy-3', 'upload'),
  ),
  aim('CPU per GB of 1 MiB uploads ÷ Caddy', 'at most', 1.3, ratio('waybill', 'caddy', 'upload')),
  {
    ...aim('cold start of serve to ready', 'at most', 500, (result) =>
      extraFigure(result, 'start', 'cold start to ready'),
    ),
    digits: 0,
    unit: 'ms',
  },
  {
    ...aim('snapshot of 100,000 keys', 'at most', 2000, (result) =>
      extraFigure(result, 'start', 'snapshot of 100,000 keys'),
    ),
    digits: 0,
    unit: 'ms',
  },
]

function aim(what: string, bound: Aim['bound'], goal: number, of: Aim['of']): Aim {
  return { what, bound, goal, of, digits: 2 }
}

/** What the project aims at, and whether this run met it. */
export function goalsOf(result: Result): Goal[] {
  return AIMS.map(({ what, bound, goal, digits, unit, of }) => {
    const value = of(result)
    const isMet = bound === 'at most' ? value <= goal : value >= goal
    const verdict = Number.isNaN(value) ? 'not measured' : isMet ? 'met' : 'not met'
    return {
      what,
      wanted: `${bound === 'at most' ? '≤' : '≥'} ${number(goal, digits)}${suffix(unit)}`,
      value,
      verdict,
    }
  })
}

/** The goals as rows of a table, with a head. */
export function goalRows(result: Result): string[][] {
  const rows = goalsOf(result).map(({ what, wanted, value, verdict }, i) => {
    const { digits, unit } = AIMS[i] ?? { digits: 2, unit: undefined }
    return [what, wanted, Number.isNaN(value) ? '–' : number(value, digits) + suffix(unit), verdict]
  })
  return [['everything on', 'goal', 'measured', ''], ...rows]
}

function suffix(unit: string | undefined): string {
  return unit === undefined ? '' : ` ${unit}`
}
