import type { StateReason } from '../../admin/handlers.ts'
import type { Overview } from '../../admin/overview.ts'
import type { Config } from '../../config/config.ts'
import type { LimitLoans, LimitNews } from '../../limits/limit-news.ts'
import type { FamilySamples } from '../../metrics/family.ts'
import type { LogFormat } from '../../logger/pretty.ts'
import type { DatabaseTarget } from '../../model/database-target.ts'
import type { InstancePromises, InstanceStart } from '../../store/audit/instances.ts'

/*
 * What the primary and its workers tell each other, as JSON over the pipe between them. Messages arrive in the order in
 * which they were sent, those with a connection included.
 */

/** What a worker is started with. Its share of the bounds is worked out already. */
export interface WorkerStart {
  readonly type: 'start'
  /** Slot from 1 on; a successor has its predecessor's. */
  readonly worker: number
  readonly config: Config
  readonly target: DatabaseTarget
  readonly logFormat: LogFormat
  /** Pseudonym in Via, one for all workers: a request that comes back to another worker is a loop as well. */
  readonly via: string
  /** How many workers share the limits, and what of them is in use. */
  readonly workers: number
  readonly limits: LimitLoans
}

/**
 * To a worker. `accept` comes with the listening socket unless it has it: take connections until it has `upTo`; 0 is to stop.
 * `end_connections` makes each answer the last on its connection; connections are accepted as before. `retire` serves what comes on open connections and ends them one by one.
 */
export type ToWorker =
  | WorkerStart
  | { readonly type: 'accept'; readonly upTo: number; readonly ask: number }
  | { readonly type: 'apply'; readonly config: Config }
  | { readonly type: 'limits'; readonly loans: LimitLoans }
  | { readonly type: 'report'; readonly id: number; readonly digest: string | null }
  | { readonly type: 'metrics'; readonly id: number }
  | { readonly type: 'end_connections' }
  | { readonly type: 'retire' }
  | { readonly type: 'stop' }

/** What connections are shared out by. */
export interface WorkerState {
  readonly isReady: boolean
  /** Connections that are open, and all that it has taken. */
  readonly open: number
  readonly taken: number
  /** Whether it takes more, after the last `accept` that it heard, whose number is `ask`. */
  readonly isAccepting: boolean
  readonly ask: number
}

/** The life in which a worker writes entries, and what it promises of its memory: what is to be told of its death. */
export interface WorkerLife {
  readonly start: Omit<InstanceStart, 'startedAt'> & { readonly startedAtMs: number }
  readonly promises: InstancePromises
}

/** How a worker is. */
export interface WorkerReport {
  readonly health: { readonly healthy: boolean; readonly reasons: readonly StateReason[] }
  readonly readiness: {
    readonly ready: boolean
    readonly reasons: readonly StateReason[]
    readonly warnings: readonly StateReason[]
  }
  readonly overview: Overview
  /** Whether its snapshot has the key that was asked for. */
  readonly knowsKey: boolean
}

/** Id of the metrics that nobody asked for: a worker's last, before its end. */
export const LAST_METRICS = 0

/** From a worker. `life` comes at its start and when it promises more; `state` when it has changed, at once when the worker stopped accepting by itself, and once a second. */
export type FromWorker =
  | { readonly type: 'online' }
  | { readonly type: 'started'; readonly instance: string }
  | ({ readonly type: 'life' } & WorkerLife)
  | ({ readonly type: 'state' } & WorkerState)
  | { readonly type: 'listen_failed'; readonly errno: number }
  | { readonly type: 'limits'; readonly news: LimitNews }
  | { readonly type: 'report'; readonly id: number; readonly report: WorkerReport }
  | { readonly type: 'metrics'; readonly id: number; readonly family: FamilySamples }
  | { readonly type: 'metrics_end'; readonly id: number }
  | { readonly type: 'draining' }
  | { readonly type: 'ended'; readonly isClean: boolean; readonly report: WorkerReport }
