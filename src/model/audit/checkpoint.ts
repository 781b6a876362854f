import type { AuditAccount } from './audit.ts'
import type { AuditedBatch } from './audit-batch.ts'

/** The first batches of an instance, 1 to `lastBatch`, without a gap: their sums, and what the next one is checked against. */
export interface Checkpoint {
  readonly lastBatch: number
  readonly digest: Buffer
  readonly acceptedSeq: number
  readonly buffered: number
  readonly isFinal: boolean
  /** Within which their entries started. */
  readonly firstAt: Date
  readonly lastAt: Date
  readonly accounts: readonly AuditAccount[]
}

/** The last batch of a checkpoint, as the one before the next batch. */
export function lastBatchOf(checkpoint: Checkpoint, isInWindow: boolean): AuditedBatch {
  const { lastBatch: batch, digest, acceptedSeq, buffered, isFinal } = checkpoint
  return {
    batch,
    firstSeq: null,
    lastSeq: null,
    entries: 0,
    bytes: 0,
    dropped: null,
    tenants: null,
    quarantined: null,
    resolved: [],
    acceptedSeq,
    buffered,
    rowsDigest: null,
    digest,
    isFinal,
    isInWindow,
    isExpired: true,
    goneFrom: null,
  }
}
