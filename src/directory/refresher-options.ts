import type { DatabaseContact } from '../lib/database-contact.ts'
import type { Clock } from '../lib/time/clock.ts'
import type { DirectoryKeeper } from './directory-keeper.ts'
import type { DirectorySource } from './directory-source.ts'
import type { DirectorySnapshot } from './snapshot.ts'

/** The part of a logger (pino's signature) that is needed here. */
export interface DirectoryLog {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
}

export interface DirectoryOptions {
  readonly pollIntervalMs: number
  /** Between full loads, ±20 %; negative for never. */
  readonly reconcileIntervalMs: number
  /** Between writes of last uses. */
  readonly lastUsedIntervalMs: number
  /** Without contact for so long there is no snapshot any more. */
  readonly maxAgeMs: number
  /** While no rule was ever known: `deny` refuses what rules may be about. Default `allow`. */
  readonly rulesWhenUnknown?: 'allow' | 'deny'
}

export interface DirectoryCollaborators {
  readonly source: DirectorySource
  /** Keeps the snapshot for the next start; null or missing for none. */
  readonly keeper?: DirectoryKeeper | null
  readonly options: DirectoryOptions
  readonly log: DirectoryLog
  /** Epoch milliseconds; `Date.now` unless told. */
  readonly now?: () => number
  /** [0, 1); `Math.random` unless told. */
  readonly random?: () => number
  /** The real one unless told. Ages and waits go by it. */
  readonly clock?: Clock
  /** Is told whether the database answered. */
  readonly contact?: DatabaseContact
  /** Called after each new snapshot. */
  readonly onChange?: (snapshot: DirectorySnapshot) => void
}

/** What is seen of the refresher from outside; ages and counts for metrics. */
export interface DirectoryStats {
  /** When the present snapshot's content was loaded in full, epoch milliseconds; null for never. */
  readonly loadedAtMs: number | null
  /** Since the last successful contact: how old the snapshot can be at most. Null before the first. */
  readonly ageMs: number | null
  readonly keys: number
  readonly tenants: number
  /** Rules in force. */
  readonly rules: number
  /** The snapshot is one from before this process began, of disk. */
  readonly isRecalled: boolean
  /** Too long since the last contact to say of a key that there is none. */
  readonly isStale: boolean
  /** Writes to disk that failed. */
  readonly keepFailures: number
  /** Successful incremental refreshes. */
  readonly refreshes: number
  readonly fullLoads: number
  readonly failures: number
  readonly notifications: number
  /** Code of the failure that lasts; null while all is well. */
  readonly lastError: string | null
  readonly isListening: boolean
  /** Keys whose last use is yet to be written. */
  readonly pendingUses: number
}
