import { until } from '../../lib/time/sleep.ts'
import type { Sql } from '../sql.ts'

const POLL_MS = 200

/**
 * Waits until each live instance has been seen since the call and has stored what it had accepted by then, `maxMs` at most. Returns
 * the moment of the call, by the database's clock: what was accepted until then can be audited whole; null when that took longer.
 * `gone`: no wait for these.
 */
export async function settle(sql: Sql, maxMs: number, gone: readonly string[] = []): Promise<Date | null> {
  const [clock] = await sql<{ now: Date }[]>`SELECT clock_timestamp() AS now`
  const from = clock?.now ?? new Date(0)
  const hasSettled = async (): Promise<boolean> => {
    const [row] = await sql<{ moving: number }[]>`
      SELECT count(*) AS moving FROM instances i LEFT JOIN LATERAL (
        SELECT l.accepted_seq - coalesce(l.buffered, 0) AS settled, l.is_final FROM access_ledger l
        WHERE l.instance = i.id ORDER BY l.batch DESC LIMIT 1
      ) b ON true
      WHERE i.ended_at IS NULL AND i.died_at IS NULL AND i.id <> ALL (${gone}::uuid[]) AND b.is_final IS NOT TRUE AND i.last_seen_at > clock_timestamp() - interval '1 minute'
        AND (i.last_seen_at < ${from} OR i.accepted_seq IS NULL OR i.accepted_seq > coalesce(b.settled, 0))`
    return row?.moving === 0
  }
  return (await until(hasSettled, { everyMs: POLL_MS, ms: maxMs })) ? from : null
}

/** The database that is read, for people: its name and where it answers. */
export async function describeDatabase(sql: Sql): Promise<string> {
  const [row] = await sql<{ name: string; host: string | null; port: number | null }[]>`
    SELECT current_database() AS name, host(inet_server_addr()) AS host, inet_server_port() AS port`
  const where = row?.host === null ? 'by a local socket' : `at ${row?.host ?? '?'}:${row?.port ?? '?'}`
  return `${row?.name ?? '?'} ${where}`
}
