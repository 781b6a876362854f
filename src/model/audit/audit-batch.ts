import type { TenantCounts, TenantDrops } from './ledger-chain.ts'

/** A row of `access_ledger`, and what the auditor asks about it. */
export interface AuditedBatch {
  readonly batch: number
  readonly firstSeq: number | null
  readonly lastSeq: number | null
  /** As sealed: stored and quarantined. */
  readonly entries: number
  readonly bytes: number
  readonly dropped: TenantDrops | null
  /** As sealed. */
  readonly tenants: TenantCounts | null
  readonly quarantined: TenantCounts | null
  /** Quarantined rows of the batch that an operator has decided on since: tenant, `stored` or `dropped`, number. */
  readonly resolved: readonly (readonly [string, string, number])[]
  readonly acceptedSeq: number | null
  readonly buffered: number | null
  readonly rowsDigest: Buffer | null
  readonly digest: Buffer | null
  readonly isFinal: boolean
  /** Whether it holds entries of the window that is audited. */
  readonly isInWindow: boolean
  /** Whether retention has dropped all its rows, and said so. */
  readonly isExpired: boolean
  /** The partition of some or all of its rows, when it is gone and retention did not drop it; null when none is. */
  readonly goneFrom: string | null
}

/** Entries that had been settled, as a row or a drop, when the batch was sealed, it included; null when not known. */
export function settledSeq(batch: AuditedBatch): number | null {
  if (batch.acceptedSeq === null) return null
  if (batch.isFinal) return batch.acceptedSeq - (batch.buffered ?? 0)
  return batch.buffered === null ? null : batch.acceptedSeq - batch.buffered
}

/** Rows of the batch that must be in the table: all that were sealed, but for those in quarantine. */
export function storedRows(batch: AuditedBatch): number {
  const back = batch.resolved.reduce((sum, [, resolution, n]) => sum + (resolution === 'stored' ? n : 0), 0)
  return batch.entries - sumOf(batch.quarantined ?? {}) + back
}

/** Entries of all tenants and reasons. */
export function droppedOf(dropped: TenantDrops | null): number {
  return Object.values(dropped ?? {}).reduce((sum, reasons) => sum + sumOf(reasons), 0)
}

/** Over all tenants. */
export function sumOf(counts: TenantCounts): number {
  return Object.values(counts).reduce((sum, n) => sum + n, 0)
}
