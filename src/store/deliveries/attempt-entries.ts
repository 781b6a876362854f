import type { EntryRow } from '../../model/entry-columns.ts'
import { listEntries } from '../entries/entries.ts'
import type { Sql } from '../sql.ts'
import type { DeliveryRow } from './deliveries.ts'

/** Attempts whose entries are shown at most. */
const MAX_ENTRIES = 100
/** A gateway's clock may be so much behind that of the one that received it. */
const CLOCKS_MS = 600_000

/** The access entries of a delivery's attempts, newest first, 100 at most. Ends early with the signal, with whose reason it rejects. */
export async function attemptEntries(
  sql: Sql,
  { id, tenant, receivedAt }: Pick<DeliveryRow, 'id' | 'tenant' | 'receivedAt'>,
  signal?: AbortSignal,
): Promise<readonly EntryRow[]> {
  const since = new Date(receivedAt.getTime() - CLOCKS_MS)
  // A sender may say any request id.
  const oneOf = { outcome: ['delivered', 'delivery_failed'] }
  const page = { limit: MAX_ENTRIES, ...(signal === undefined ? {} : { signal }) }
  return (await listEntries(sql, { tenant, requestId: id, since, oneOf }, page)).entries
}
