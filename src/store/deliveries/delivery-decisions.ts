import { deliveryId } from '../../model/delivery/delivery-id.ts'
import { StoreError } from '../errors.ts'
import { inTransaction, type Sql, type TransactionSql } from '../sql.ts'
import { SETTLING_LOCK } from './delivery-store.ts'
import { deliveryCondition, findDelivery, type DeliveryFilter, type DeliveryRow } from './deliveries.ts'

/** Deliveries that are decided on in one transaction at most: each is an entry of the admin log. */
export const MAX_DECISIONS = 1000

/** States of what may be delivered once more. */
export const REPEATABLE_STATES = ['dead', 'delivered', 'dropped'] as const

export type RepeatableState = (typeof REPEATABLE_STATES)[number]

/** A delivery that is delivered once more, and the new one. */
export interface Redelivered {
  readonly id: string
  readonly as: string
}

/** Advisory lock of what people decide: two decisions on the same deliveries would lock their rows in different orders. */
const DECIDING_LOCK = 9_299_463

type OfOne = Pick<DeliveryFilter, 'tenant'> & { readonly id: string }

/**
 * Has deliveries that are over delivered once more: each as a new one, with an id of its own, behind what waits. Those that wait, or
 * were repeated already, are left alone.
 */
export async function redeliver(
  sql: Sql | TransactionSql,
  filter: DeliveryFilter,
  limit: number,
): Promise<readonly Redelivered[]> {
  return await inTransaction(sql, async (tx) => {
    await tx`SELECT pg_advisory_xact_lock(${DECIDING_LOCK})`
    await tx`SELECT delivery_partitions(now())`
    const found = await tx<{ id: string; received_at: Date }[]>`
      SELECT d.id, d.received_at FROM deliveries d
      WHERE ${deliveryCondition(tx, filter)} AND d.state = ANY (${[...REPEATABLE_STATES]}::text[]) AND d.redelivered_as IS NULL
      ORDER BY d.received_at, d.id LIMIT ${limit} FOR UPDATE`
    if (found.length === 0) return []
    const [now] = await tx<{ ms: number }[]>`SELECT (extract(epoch FROM now()) * 1000)::bigint AS ms`
    const nowMs = now?.ms ?? Date.now()
    const pairs = found.map(({ id, received_at }, n) => ({ n, id, received_at, fresh: deliveryId(nowMs) }))
    await tx`
      WITH p AS MATERIALIZED (
        SELECT * FROM json_to_recordset(${JSON.stringify(pairs)}::text::json) AS p (n integer, id uuid, received_at timestamptz, fresh uuid)
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
    return pairs.map(({ id, fresh }) => ({ id, as: fresh }))
  })
}

/** Gives up what waits, and dead letters. Returns their ids; an attempt that is under way may still reach its receiver. */
export async function dropDeliveries(
  sql: Sql | TransactionSql,
  filter: DeliveryFilter,
  limit: number,
): Promise<readonly string[]> {
  return await inTransaction(sql, async (tx) => {
    await tx`SELECT pg_advisory_xact_lock(${DECIDING_LOCK})`
    // What notes attempts locks the same rows in another order: it waits for this, and this for it.
    await tx`SELECT pg_advisory_xact_lock(${SETTLING_LOCK})`
    const found = await tx<{ id: string; received_at: Date }[]>`
      SELECT d.id, d.received_at FROM deliveries d
      WHERE ${deliveryCondition(tx, filter)} AND d.state IN ('waiting', 'dead') AND d.redelivered_as IS NULL
      ORDER BY d.received_at, d.id LIMIT ${limit}`
    if (found.length === 0) return []
    await tx`DELETE FROM delivery_work WHERE id = ANY (${found.map(({ id }) => id)}::uuid[])`
    // One that was delivered, or decided on, meanwhile stays what it became.
    const dropped = await tx<{ id: string }[]>`
      WITH p AS MATERIALIZED (
        SELECT * FROM json_to_recordset(${JSON.stringify(found)}::text::json) AS p (id uuid, received_at timestamptz)
      )
      UPDATE deliveries d SET state = 'dropped', ended_at = now() FROM p
      WHERE d.received_at = p.received_at AND d.id = p.id AND d.state IN ('waiting', 'dead') AND d.redelivered_as IS NULL
      RETURNING d.id`
    return dropped.map(({ id }) => id)
  })
}

/** As `redeliver`, of one. Rejects with a StoreError for one that is not there, waits, was repeated, or went in another's place. */
export async function redeliverOne(sql: Sql | TransactionSql, asked: OfOne): Promise<Redelivered> {
  const [made] = await redeliver(sql, asked, 1)
  if (made !== undefined) return made
  const { state, redeliveredAs, intoId } = await foundDelivery(sql, asked)
  throw new StoreError(
    'delivery_state',
    redeliveredAs !== null
      ? `delivery ${asked.id} was delivered again as ${redeliveredAs}`
      : state === 'waiting'
        ? `delivery ${asked.id} waits: it will be delivered`
        : `delivery ${asked.id} went as ${intoId ?? 'another'}: have that delivered again`,
  )
}

/** As `dropDeliveries`, of one. Rejects with a StoreError for one that is not there, or is over. */
export async function dropOne(sql: Sql | TransactionSql, asked: OfOne): Promise<void> {
  if ((await dropDeliveries(sql, asked, 1)).length > 0) return
  const { state, redeliveredAs } = await foundDelivery(sql, asked)
  const what = redeliveredAs === null ? `is ${state}` : `was delivered again as ${redeliveredAs}`
  throw new StoreError('delivery_state', `delivery ${asked.id} ${what}: nothing is left to be dropped`)
}

async function foundDelivery(sql: Sql | TransactionSql, asked: OfOne): Promise<DeliveryRow> {
  const found = await findDelivery(sql, asked)
  if (found === null) throw new StoreError('delivery_not_found', `there is no delivery ${asked.id}`)
  return found
}
