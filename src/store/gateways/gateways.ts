import type { Sql } from '../sql.ts'

/** A process that serves, or has served lately. */
export interface GatewayProcess {
  readonly instance: string
  readonly host: string
  /** Null for one that does not follow the directory any more. */
  readonly processId: number | null
  readonly version: string
  readonly startedAt: Date
  readonly lastSeenAt: Date
  /** Null while it runs, and for one that died without a stop. */
  readonly endedAt: Date | null
  /** Milliseconds since it last said that it follows tenants and keys; null when it does not. */
  readonly directorySilentMs: number | null
}

/** Longest list. */
const MAX_PROCESSES = 1000

/** Processes that were seen in the last `withinMs`, newest first, 1,000 at most. */
export async function listGateways(sql: Sql, withinMs: number): Promise<GatewayProcess[]> {
  return await sql<GatewayProcess[]>`
    SELECT i.id AS instance, i.host, f.process_id AS "processId", i.version, i.started_at AS "startedAt",
      i.last_seen_at AS "lastSeenAt", i.ended_at AS "endedAt",
      greatest(0, extract(epoch FROM clock_timestamp() - f.seen_at) * 1000)::float8 AS "directorySilentMs"
    FROM instances i LEFT JOIN directory_followers f ON f.instance = i.id
    WHERE i.last_seen_at > now() - ${withinMs / 1000}::float8 * interval '1 second'
    ORDER BY i.started_at DESC, i.id LIMIT ${MAX_PROCESSES}`
}
