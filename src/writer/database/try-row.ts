import { AccessEntry } from '../../model/access-entry.ts'
import { CANARY_OUTCOME, CANARY_TENANT } from '../../model/canary.ts'
import type { Batch } from '../batch/batch.ts'
import { RowEncoder } from '../batch/encode.ts'

/**
 * In place of a batch, to be tried out: one row of the gateway's own, as its canaries are. Whether the database takes it tells whose
 * fault it is that it does not take the batch. Nothing of it is ever stored, and its fields other than its row are those of `batch`.
 */
export function tryRow(batch: Batch, nowMs: number): Batch {
  const entry = new AccessEntry()
  entry.startedAtMs = nowMs
  entry.tenant = CANARY_TENANT
  entry.outcome = CANARY_OUTCOME
  return { ...batch, entries: 1, body: Buffer.from(new RowEncoder(batch.instance).row(entry)) }
}
