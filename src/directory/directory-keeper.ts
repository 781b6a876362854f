import type { DirectorySnapshot } from './snapshot.ts'

/** A snapshot from before this process began to live. */
export interface RecalledSnapshot {
  readonly snapshot: DirectorySnapshot
  /** Which database it came from, see `DirectoryPosition`. */
  readonly origin: string
  /** So long ago it was true. */
  readonly ageMs: number
  /** Older than this it is of no use. */
  readonly maxAgeMs: number
}

/** A snapshot and the moment at which it was true. */
export interface SnapshotAsOf {
  readonly snapshot: DirectorySnapshot
  readonly origin: string
  /** Epoch milliseconds by the database's clock. */
  readonly contactAtMs: number
  /** The same moment on the process' monotonic clock. */
  readonly contactTick: number
}

/** Keeps the snapshot for a start without the database. Nothing of it rejects. */
export interface DirectoryKeeper {
  /** Writes and notes that failed. */
  readonly failures: number
  /** What was kept, when it can be trusted and is not too old; null otherwise. */
  recall(): Promise<RecalledSnapshot | null>
  /** What `next` takes away from `base` is noted when this resolves: a later `recall` does not give it back. `base` null: nothing is known of what was kept. */
  note(base: DirectorySnapshot | null, next: DirectorySnapshot): Promise<void>
  /** The snapshot is in force, and was true at that moment. Returns at once. */
  applied(present: SnapshotAsOf): void
  /** Keeps what is to be kept, and no more after that. Bounded. */
  stop(): Promise<void>
}
