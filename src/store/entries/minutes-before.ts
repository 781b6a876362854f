import { minutesOf } from '../figures/due.ts'
import type { Sql, TransactionSql } from '../sql.ts'

/** What a reader must know to join `access_minutes` and rows without counting anything twice, or not at all. */
export interface MinutesCover {
  /** First minute that the roll-ups hold alone: its rows, and all before it, may have expired. */
  readonly firstMinute: number
  /** Minutes of the range whose rows must be read. */
  readonly freshMinutes: readonly number[]
}

/**
 * Which minutes of [first, last] are not in `access_minutes`, which programs of before kept, as of the transaction's snapshot; null when
 * they had not caught up, and only the rows are right. It is asked only until the figures are complete.
 */
export async function readMinutesCover(
  tx: TransactionSql,
  first: number,
  last: number,
): Promise<MinutesCover | null> {
  const [state] = await tx<{ is_complete: boolean; first_minute: string }[]>`
    SELECT is_complete, first_minute::text FROM access_minutes_state`
  if (state?.is_complete !== true) return null
  const rows = await tx<{ minute: number }[]>`
    SELECT DISTINCT m AS minute FROM (
      SELECT unnest(${minutesOf(tx)}) AS m FROM access_minutes_state s JOIN access_ledger l ON l.written_xid >= s.horizon
      UNION ALL SELECT minute FROM access_minutes_stale
      UNION ALL SELECT a.minute FROM access_minutes a, access_minutes_state s
        WHERE a.counted <> a.n AND a.minute >= s.first_minute AND a.minute BETWEEN ${first} AND ${last}
    ) touched WHERE m BETWEEN ${first} AND ${last}`
  return { firstMinute: Number(state.first_minute), freshMinutes: rows.map((row) => row.minute) }
}

/**
 * Makes all minutes before `end` final: their roll-ups are never computed anew. To be called before the partition that ends
 * there is dropped, once `rollUp` has caught up.
 */
export async function finishMinutesBefore(sql: Sql, end: Date): Promise<void> {
  await sql`
    UPDATE access_minutes_state SET first_minute = greatest(first_minute, ${Math.floor(end.getTime() / 60_000)}::bigint)`
}
