import type { Latency } from './load/job.ts'
import type { Machine } from './machine.ts'

/** One candidate in one round of one scenario. */
export interface Cell {
  readonly scenario: string
  readonly candidate: string
  readonly round: number
  readonly requests: number
  readonly seconds: number
  readonly requestsPerSecond: number
  readonly megabytesPerSecond: number
  /** CPU time of the candidate's processes per request; null for `direct`. */
  readonly cpuUs: { readonly user: number; readonly system: number; readonly total: number } | null
  /** CPU time of all of PostgreSQL per request; null for candidates without a log. */
  readonly postgresUs: number | null
  readonly latencyMs: Latency
  readonly residentBytes: number | null
  /** CPU time of the load generator per request, to see whether it was the bottleneck. */
  readonly generatorUs: number
  readonly accounts: Accounts
}

/** Who counted how many requests since the candidate's start. */
export interface Accounts {
  readonly sent: number
  readonly answered: number
  readonly refused: number
  readonly broken: number
  readonly upstream: number
  /** Entries in the table; null without a log. */
  readonly stored: number | null
}

/** A result file. */
export interface Result {
  readonly format: 1
  readonly at: string
  readonly commit: string
  readonly machine: Machine
  readonly postgres: string
  readonly upstream: string
  readonly rounds: number
  readonly seconds: number
  readonly missing: readonly string[]
  readonly cells: readonly Cell[]
}
