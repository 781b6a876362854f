import { asTenant } from '../tenant-scope.ts'
import type { Sql, TransactionSql } from '../sql.ts'
import type { EntryFilter } from './entry-filter.ts'

/** Whether an index of look-ups (migration 0071) finds the pages of what is asked for. */
export function isLookUp({ requestId, traceId, keyId, status, outcome, ...rest }: EntryFilter): boolean {
  const { clientIp = '/', slowerThanUs } = rest
  const isOne = status !== undefined && /^\d+$/.test(status)
  const texts = [requestId, traceId, keyId, outcome]
  return (
    isOne || !clientIp.includes('/') || slowerThanUs !== undefined || texts.some((text) => text !== undefined)
  )
}

/**
 * As `readScoped`, for a look-up, with no partition read whole. PostgreSQL tells what a BRIN index costs by how much the order of values
 * follows that of rows, and ids at random follow none: it takes one that leaves a hundredth of the pages for one that leaves them all, as
 * dear as reading the partition, and reads that (docs/decisions/0576).
 */
export async function readLookUp<T>(
  sql: Sql,
  tenant: string | undefined,
  work: (tx: TransactionSql) => Promise<T>,
): Promise<T> {
  const withoutScans = async (tx: TransactionSql): Promise<{ value: T }> => {
    await tx`SELECT set_config('enable_seqscan', 'off', true)`
    return { value: await work(tx) }
  }
  if (tenant !== undefined) return (await asTenant(sql, tenant, withoutScans)).value
  // The settings end with the transaction, so nothing of them is left on a pooled connection.
  return (await sql.begin('read only', withoutScans)).value
}
