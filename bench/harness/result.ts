import type { Latency } from '../load-generator/job.ts'
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
  /** Share of the candidate's CPU that went to others while it was measured; null when it is not pinned. */
  readonly foreignShare: number | null
  readonly accounts: Accounts
}

/** Who counted how many requests, the cell's warm-up included. */
export interface Accounts {
  readonly sent: number
  readonly answered: number
  readonly refused: number
  readonly upstream: number
  /** Entries in the table, as many as were added; null without a log. */
  readonly stored: number | null
  readonly isSettled: boolean
}

/** Another figure, measured once or several times. */
export interface Figure {
  readonly scenario: string
  readonly candidate: string
  readonly name: string
  readonly unit: string
  readonly values: readonly number[]
}

/** A result file. */
export interface Result {
  readonly format: 1
  readonly at: string
  readonly commit: string
  /** The commit of the other build of Waybill that took part, if one did. */
  readonly against?: string
  /** Name of a candidate that took part → what it is. Older files have none. */
  readonly candidates?: Readonly<Record<string, string>>
  readonly machine: Machine
  readonly postgres: string
  readonly upstream: string
  readonly rounds: number
  readonly secondsEach: number
  readonly tookSeconds: number
  /** Name of a candidate → what it needs. */
  readonly missing: Readonly<Record<string, string>>
  readonly cells: readonly Cell[]
  readonly figures: readonly Figure[]
  /** Why the run does not count; empty when it does. */
  readonly problems: readonly string[]
}
