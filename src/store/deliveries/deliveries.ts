import { receivedMsOf } from '../../model/delivery/delivery-id.ts'
import type { Sql, SqlFragment, TransactionSql } from '../sql.ts'

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

/** What a page of deliveries is. */
export interface DeliveryPage {
  readonly limit: number
  /** Behind the delivery of this id: the last one of the page before. */
  readonly after?: string
  /** Without `after`. */
  readonly isOldestFirst?: boolean
}

/** Deliveries, newest first unless told. */
export async function listDeliveries(
  sql: Sql | TransactionSql,
  filter: DeliveryFilter,
  { limit, after, isOldestFirst = false }: DeliveryPage,
): Promise<DeliveryRow[]> {
  return await sql<DeliveryRow[]>`
    SELECT d.id, d.received_at AS "receivedAt", d.tenant, d.route, d.state, greatest(d.attempts, w.attempts) AS attempts,
      d.ended_at AS "endedAt", w.next_at AS "nextAt", coalesce(d.last_status, w.last_status) AS "lastStatus",
      coalesce(d.last_reason, w.last_reason) AS "lastReason", d.sender_key AS "senderKey", d.into_id AS "intoId",
      d.redelivery_of AS "redeliveryOf", d.redelivered_as AS "redeliveredAs", d.request_id AS "requestId",
      d.trace_id AS "traceId", d.body_bytes AS "bodyBytes"
    FROM deliveries d LEFT JOIN delivery_work w ON w.id = d.id
    WHERE ${deliveryCondition(sql, filter)} ${after === undefined ? sql`` : behind(sql, after)}
    ORDER BY ${isOldestFirst ? sql`d.received_at, d.id` : sql`d.received_at DESC, d.id DESC`} LIMIT ${limit}`
}

/** The delivery of an id, of the tenant if one is given; null for none. */
export async function findDelivery(
  sql: Sql | TransactionSql,
  filter: Pick<DeliveryFilter, 'tenant'> & { readonly id: string },
): Promise<DeliveryRow | null> {
  return (await listDeliveries(sql, filter, { limit: 1 }))[0] ?? null
}

/** The filter as a condition on table `d`. */
export function deliveryCondition(sql: Sql | TransactionSql, filter: DeliveryFilter): SqlFragment {
  const { id, tenant, route, state, since, until } = filter
  return sql`true
    ${id === undefined ? sql`` : ofId(sql, id)}
    ${tenant === undefined ? sql`` : sql`AND d.tenant = ${tenant}`}
    ${route === undefined ? sql`` : sql`AND d.route = ${route}`}
    ${state === undefined ? sql`` : ofState(sql, state)}
    ${since === undefined ? sql`` : sql`AND d.received_at >= ${since}`}
    ${until === undefined ? sql`` : sql`AND d.received_at < ${until}`}`
}

/** An id begins with its day, so that one partition is looked at. */
function ofId(sql: Sql | TransactionSql, id: string): SqlFragment {
  const ms = receivedMsOf(id)
  if (ms === null) return sql`AND false`
  return sql`AND d.received_at >= ${new Date(ms)} AND d.received_at < ${new Date(ms + 1)} AND d.id = ${id}`
}

/** What waits is few of many, and in a table of its own. */
function ofState(sql: Sql | TransactionSql, state: DeliveryState): SqlFragment {
  // As text: a partial index is for a constant.
  if (state === 'dead') return sql`AND d.state = 'dead'`
  if (state !== 'waiting') return sql`AND d.state = ${state}`
  return sql`AND d.state = 'waiting' AND (d.received_at, d.id) IN (SELECT x.received_at, x.id FROM delivery_work x WHERE NOT x.is_dead)`
}

function behind(sql: Sql | TransactionSql, id: string): SqlFragment {
  const ms = receivedMsOf(id)
  return ms === null
    ? sql`AND false`
    : sql`AND (d.received_at, d.id) < (${new Date(ms)}::timestamptz, ${id}::uuid)`
}
