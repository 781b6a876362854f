import type { AsideStats } from './set-aside.ts'

/** The spill's numbers. */
export interface SpoolStats {
  readonly segments: number
  /** On disk in segments of ours and those taken over, frames already stored included. */
  readonly bytes: number
  /** In segments of other live processes, and in those put aside, as far as known. */
  readonly foreignBytes: number
  readonly maxBytes: number
  /** Rows that wait for their replay. */
  readonly pendingEntries: number
  /** Since the start: batches and bytes appended, batches refused by the disk or the bound. */
  readonly batches: number
  readonly writtenBytes: number
  readonly refused: number
  /** Since the start: damaged places met, batches that their writer had not finished, failed syncs. */
  readonly damaged: number
  readonly torn: number
  readonly syncFailures: number
  /** Of the last refusal or failure; null before the first. */
  readonly lastErrorCode: string | null
  /** What cannot be stored for now, and does not hold up the rest; its rows are among the pending ones. */
  readonly aside: AsideStats
}
