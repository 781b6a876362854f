import type { Cell, Result } from '../harness/result.ts'
import { cellOf } from '../harness/test-cell.ts'

/** A cell of the scenario 1k that took this much CPU per request. */
export function cpuCell(candidate: string, total: number, round = 1, postgresUs: number | null = null): Cell {
  return cellOf({ candidate, round, postgresUs, cpuUs: { user: total, system: 0, total } })
}

/** A result of these cells. */
export function resultOf(cells: readonly Cell[], changes: Partial<Result> = {}): Result {
  const machine = {
    cpu: 'cpu',
    cores: 2,
    memoryBytes: 2 ** 30,
    system: 'x',
    versions: {},
    candidateCpu: '0',
    loadCpus: '1',
  }
  const run = { at: '2026-11-21T12:00:00.000Z', commit: 'abc', rounds: 1, secondsEach: 1, tookSeconds: 60 }
  const rest = { postgres: '', upstream: 'nginx', missing: {}, figures: [], problems: [] }
  return { format: 1, ...run, machine, ...rest, cells, ...changes }
}
