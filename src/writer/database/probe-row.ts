import { AccessEntry } from '../../model/access-entry.ts'
import { CANARY_OUTCOME, CANARY_TENANT } from '../../model/canary.ts'
import type { Batch } from '../batch/batch.ts'
import { RowEncoder } from '../batch/encode.ts'

/**
 * A batch of one row of the gateway's own, like its canaries', to be tried out and never stored. If the database takes it and refuses
 * `batch`, the cause is in `batch`. Its fields other than the row are those of `batch`.
 */
export function probeRow(batch: Batch, nowMs: number): Batch {
  const entry = new AccessEntry()
  entry.startedAtMs = nowMs
  entry.tenant = CANARY_TENANT
  entry.outcome = CANARY_OUTCOME
  return { ...batch, entries: 1, body: Buffer.from(new RowEncoder(batch.instance).row(entry)) }
}
