import type { UnderWay } from '../../model/audit/under-way.ts'
import type { Sql } from '../sql.ts'

/** Requests that a dead instance was known to be answering, and that have no entry: oldest first. */
export async function findCutShort(sql: Sql, instance: string): Promise<UnderWay[]> {
  return await sql<UnderWay[]>`
    SELECT u.* FROM instances i, jsonb_to_recordset(i.under_way) AS u ("startedAtMs" float8, tenant text, "keyId" text,
      route text, method text, path text, "clientIp" text, "requestId" text, "isTunnel" boolean)
    WHERE i.id = ${instance} AND NOT EXISTS (
      -- It may have ended after all, and its entry been stored. As exact as a millisecond.
      SELECT FROM access_log e
      WHERE e.started_at BETWEEN to_timestamp((u."startedAtMs" - 1) / 1000) AND to_timestamp((u."startedAtMs" + 1) / 1000)
        AND e.instance = i.id AND e.request_id = u."requestId")
    ORDER BY u."startedAtMs"`
}

/** Forgets what dead instances were answering, once entries of that time would have expired too. */
export async function forgetUnderWay(sql: Sql, retentionDays: number): Promise<void> {
  await sql`
    UPDATE instances SET under_way = NULL
    WHERE under_way IS NOT NULL AND last_seen_at < clock_timestamp() - make_interval(days => ${retentionDays})`
}
