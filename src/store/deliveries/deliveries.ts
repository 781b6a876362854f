import { deliveryId } from '../../model/delivery/delivery-id.ts'
import { inTransaction, type Sql, type TransactionSql } from '../sql.ts'

/** What became of a delivery; all but `waiting` are final. */
export const DELIVERY_STATES = ['waiting', 'delivered', 'dead', 'dropped', 'coalesced', 'duplicate'] as const

export type DeliveryState = (typeof DELIVERY_STATES)[number]

/** A delivery, without what was sent. */
export interface DeliveryRow {
  readonly id: string
  readonly receivedAt: Date
  readonly tenant: string
  readonly route: string
  readonly state: DeliveryState
  readonly attempts: number
  readonly endedAt: Date | null
  /** Until it is tried again; null for one that does not wait for that. */
  readonly nextAt: Date | null
  readonly lastStatus: number | null
  readonly lastReason: string | null
  readonly senderKey: string | null
  readonly intoId: string | null
  readonly redeliveryOf: string | null
  readonly redeliveredAs: string | null
  readonly requestId: string | null
  readonly traceId: string | null
  readonly bodyBytes: number
}

/** Which deliveries are asked for. */
export interface DeliveryFilter {
  readonly id?: string
  readonly tenant?: string
  readonly route?: string
  readonly state?: DeliveryState
  readonly since?: Date
  readonly until?: Date
}

/** The books of a tenant. Accepted and repeated by hand = the sum of all states. */
export interface DeliveryAccount {
  readonly tenant: string
  readonly accepted: number
  readonly repeated: number
  readonly waiting: number
  readonly delivered: number
  readonly dead: number
  readonly dropped: number
  readonly coalesced: number
  readonly duplicate: number
  /** Access entries that say `accepted` and of which there is no delivery, and what waits and nobody would deliver. */
  readonly missing: number
}

/** Deliveries, newest first. */
export async function listDeliveries(
  sql: Sql | TransactionSql,
  filter: DeliveryFilter,
  limit: number,
): Promise<DeliveryRow[]> {
  return await sql<DeliveryRow[]>`
    SELECT d.id, d.received_at AS "receivedAt", d.tenant, d.route, d.state, greatest(d.attempts, w.attempts) AS attempts,
      d.ended_at AS "endedAt", w.next_at AS "nextAt", coalesce(d.last_status, w.last_status) AS "lastStatus",
      coalesce(d.last_reason, w.last_reason) AS "lastReason", d.sender_key AS "senderKey", d.into_id AS "intoId",
      d.redelivery_of AS "redeliveryOf", d.redelivered_as AS "redeliveredAs", d.request_id AS "requestId",
      d.trace_id AS "traceId", d.body_bytes AS "bodyBytes"
    FROM deliveries d LEFT JOIN delivery_work w ON w.id = d.id
    WHERE ${conditions(sql, filter)} ORDER BY d.received_at DESC, d.id DESC LIMIT ${limit}`
}

/**
 * Has deliveries that are over delivered once more: each as a new one, with an id of its own, behind what waits. Returns how many. One
 * that waits, or was repeated already, is left alone.
 */
export async function redeliver(sql: Sql, filter: DeliveryFilter, limit: number): Promise<number> {
  return await inTransaction(sql, async (tx) => {
    const found = await tx<{ id: string; received_at: Date }[]>`
      SELECT d.id, d.received_at FROM deliveries d
      WHERE ${conditions(tx, filter)} AND d.state IN ('delivered', 'dead', 'dropped') AND d.redelivered_as IS NULL
      ORDER BY d.received_at, d.id LIMIT ${limit} FOR UPDATE`
    if (found.length === 0) return 0
    const [now] = await tx<{ ms: number }[]>`SELECT (extract(epoch FROM now()) * 1000)::bigint AS ms`
    const nowMs = now?.ms ?? Date.now()
    await tx`SELECT delivery_partitions(now())`
    const pairs = JSON.stringify(
      found.map(({ id, received_at }, n) => ({ n, id, received_at, fresh: deliveryId(nowMs) })),
    )
    await tx`
      WITH p AS MATERIALIZED (
        SELECT * FROM json_to_recordset(${pairs}::text::json) AS p (n integer, id uuid, received_at timestamptz, fresh uuid)
      ), d AS (
        INSERT INTO deliveries (id, received_at, tenant, route, state, lane, sender_key, redelivery_of, request_id, trace_id, body_bytes)
        SELECT p.fresh, to_timestamp(${nowMs}::bigint / 1000.0), o.tenant, o.route, 'waiting', o.lane, o.sender_key, o.id, o.request_id, o.trace_id, o.body_bytes
        FROM p JOIN deliveries o USING (received_at, id)
      ), b AS (
        INSERT INTO delivery_bodies (id, received_at, head, packing, body)
        SELECT p.fresh, to_timestamp(${nowMs}::bigint / 1000.0), o.head, o.packing, o.body FROM p JOIN delivery_bodies o USING (received_at, id)
      ), w AS (
        INSERT INTO delivery_work (id, received_at, tenant, route, lane, coalesce_by, body_bytes)
        SELECT p.fresh, to_timestamp(${nowMs}::bigint / 1000.0), o.tenant, o.route, o.lane, '', o.body_bytes
        FROM p JOIN deliveries o USING (received_at, id) ORDER BY p.n
      ), gone AS (
        DELETE FROM delivery_work x USING p WHERE x.id = p.id AND x.is_dead
      )
      UPDATE deliveries o SET redelivered_as = p.fresh FROM p WHERE o.received_at = p.received_at AND o.id = p.id`
    return found.length
  })
}

/** Gives up what waits, and dead letters. Returns how many; an attempt that is under way may still reach its receiver. */
export async function dropDeliveries(sql: Sql, filter: DeliveryFilter, limit: number): Promise<number> {
  const rows = await sql`
    WITH found AS (
      SELECT d.id, d.received_at FROM deliveries d
      WHERE ${conditions(sql, filter)} AND d.state IN ('waiting', 'dead') AND d.redelivered_as IS NULL
      ORDER BY d.received_at, d.id LIMIT ${limit} FOR UPDATE
    ), gone AS (
      DELETE FROM delivery_work w USING found WHERE w.id = found.id
    )
    UPDATE deliveries d SET state = 'dropped', ended_at = now() FROM found
    WHERE d.received_at = found.received_at AND d.id = found.id RETURNING 1`
  return rows.length
}

/** The books of each tenant, of what was received in the window. Entries of the last seconds may not be stored yet. */
export async function deliveryAccounts(
  sql: Sql,
  { tenant, since, until }: Pick<DeliveryFilter, 'tenant'> & { readonly since: Date; readonly until: Date },
): Promise<DeliveryAccount[]> {
  const ofTenant = tenant === undefined ? sql`` : sql`AND tenant = ${tenant}`
  return await sql<DeliveryAccount[]>`
    WITH d AS (
      SELECT id, tenant, state, request_id, redelivery_of FROM deliveries
      WHERE received_at >= ${since} AND received_at < ${until} ${ofTenant}
    ), lost AS (
      -- By number: senders may say the same request id again.
      SELECT tenant, greatest(0, count(*) - coalesce(k.n, 0)) AS n FROM access_log e
      LEFT JOIN (SELECT tenant, request_id, count(*) AS n FROM d WHERE redelivery_of IS NULL GROUP BY 1, 2) k
        USING (tenant, request_id)
      WHERE started_at >= ${since} AND started_at < ${until} AND outcome = 'accepted' AND reason IS NULL ${ofTenant}
      GROUP BY tenant, request_id, k.n
      UNION ALL
      -- Of what waits somebody has to know.
      SELECT tenant, 1 FROM d WHERE state = 'waiting' AND NOT EXISTS (
        SELECT FROM delivery_work w WHERE w.id = d.id AND NOT w.is_dead)
    ), missing AS (
      SELECT tenant, sum(n)::bigint AS n FROM lost GROUP BY tenant
    ), books AS (
      SELECT tenant, count(*) FILTER (WHERE redelivery_of IS NULL) AS accepted,
        count(*) FILTER (WHERE redelivery_of IS NOT NULL) AS repeated,
        count(*) FILTER (WHERE state = 'waiting') AS waiting, count(*) FILTER (WHERE state = 'delivered') AS delivered,
        count(*) FILTER (WHERE state = 'dead') AS dead, count(*) FILTER (WHERE state = 'dropped') AS dropped,
        count(*) FILTER (WHERE state = 'coalesced') AS coalesced, count(*) FILTER (WHERE state = 'duplicate') AS duplicate
      FROM d GROUP BY tenant
    )
    SELECT tenant, coalesce(accepted, 0) AS accepted, coalesce(repeated, 0) AS repeated, coalesce(waiting, 0) AS waiting,
      coalesce(delivered, 0) AS delivered, coalesce(dead, 0) AS dead, coalesce(dropped, 0) AS dropped,
      coalesce(coalesced, 0) AS coalesced, coalesce(duplicate, 0) AS duplicate, coalesce(n, 0) AS missing
    FROM books FULL JOIN missing USING (tenant) ORDER BY tenant`
}

function conditions(sql: Sql | TransactionSql, filter: DeliveryFilter) {
  const { id, tenant, route, state, since, until } = filter
  return sql`true
    ${id === undefined ? sql`` : sql`AND d.id = ${id}`}
    ${tenant === undefined ? sql`` : sql`AND d.tenant = ${tenant}`}
    ${route === undefined ? sql`` : sql`AND d.route = ${route}`}
    ${state === undefined ? sql`` : sql`AND d.state = ${state}`}
    ${since === undefined ? sql`` : sql`AND d.received_at >= ${since}`}
    ${until === undefined ? sql`` : sql`AND d.received_at < ${until}`}`
}
