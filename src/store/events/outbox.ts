import { receiverId, type EventReceiver, type Finding, type GatewayEvent } from '../../model/events/event.ts'
import type { Sql } from '../sql.ts'

/** Most events that wait for one receiver; of more, the newest are not kept for it. */
export const MAX_WAITING = 1000
/** As long as one attempt can take, several times over: a gateway that died with it is not waited for longer. */
const LEASE_SECONDS = 60
/** Longest reason of a failure that is kept. */
const MAX_REASON = 200
/** What was told is remembered so long, so that it is not told again. */
const KEPT_DAYS = 30

/** Tells what has not been told before, to whom it may concern. Resolves with how many deliveries did not fit. */
export async function publishEvents(
  sql: Sql,
  events: readonly Finding[],
  receivers: readonly EventReceiver[],
): Promise<{ readonly lost: number }> {
  if (events.length === 0) return { lost: 0 }
  return await sql.begin(async (tx) => {
    const told = await tx<{ id: string; type: string }[]>`
      INSERT INTO events (id, type, data)
      SELECT e.id, e.type, e.data FROM jsonb_to_recordset(${tx.json(events as never)}) AS e (id text, type text, data jsonb)
      ORDER BY e.id -- in one order in all gateways, which may find the same: no deadlock
      ON CONFLICT DO NOTHING RETURNING id, type`
    let lost = 0
    for (const receiver of receivers) {
      const ids = told.filter(({ type }) => receiver.types.some((one) => one === type)).map(({ id }) => id)
      if (ids.length === 0) continue
      const kept = await tx`
        INSERT INTO event_deliveries (event_id, receiver)
        SELECT id, ${receiverId(receiver)} FROM unnest(${ids}::text[]) AS id
        LIMIT greatest(0, ${MAX_WAITING} - (
          SELECT count(*) FROM event_deliveries WHERE receiver = ${receiverId(receiver)} AND given_up_at IS NULL))
        RETURNING event_id`
      lost += ids.length - kept.length
    }
    return { lost }
  })
}

/** An event to be sent, and for the how manieth time. */
export interface Delivery {
  readonly event: GatewayEvent
  readonly attempt: number
}

/** Up to `limit` events that are due for a receiver; nobody else gets them for a minute. */
export async function takeDeliveries(sql: Sql, receiver: EventReceiver, limit: number): Promise<Delivery[]> {
  const rows = await sql<(GatewayEvent & { attempt: number })[]>`
    WITH due AS (
      SELECT event_id FROM event_deliveries WHERE receiver = ${receiverId(receiver)} AND given_up_at IS NULL AND next_at <= now()
      ORDER BY next_at LIMIT ${limit} FOR UPDATE SKIP LOCKED),
    taken AS (
      UPDATE event_deliveries d SET attempts = attempts + 1, next_at = now() + ${LEASE_SECONDS} * interval '1 second'
      FROM due WHERE d.receiver = ${receiverId(receiver)} AND d.event_id = due.event_id
      RETURNING d.event_id, d.attempts)
    SELECT e.id, e.type, e.at, e.data, t.attempts AS attempt FROM taken t JOIN events e ON e.id = t.event_id
    ORDER BY e.at, e.id`
  return rows.map(({ attempt, ...event }) => ({ event, attempt }))
}

/** It was taken. */
export async function endDelivery(sql: Sql, receiver: EventReceiver, eventId: string): Promise<void> {
  await sql`DELETE FROM event_deliveries WHERE receiver = ${receiverId(receiver)} AND event_id = ${eventId}`
}

/** It was not taken: it is tried again after `ms`, or, with null, given up. `reason`: a status or a code, and no secret. */
export async function failDelivery(
  sql: Sql,
  receiver: EventReceiver,
  { eventId, ms, reason }: { readonly eventId: string; readonly ms: number | null; readonly reason: string },
): Promise<void> {
  await sql`
    UPDATE event_deliveries SET failure = ${reason.slice(0, MAX_REASON)},
      next_at = now() + ${(ms ?? 0) / 1000}::float8 * interval '1 second', given_up_at = ${ms === null ? sql`now()` : sql`NULL`}
    WHERE receiver = ${receiverId(receiver)} AND event_id = ${eventId}`
}

/** A receiver wants nothing any more. Resolves with how many events had waited for it. */
export async function dropDeliveries(sql: Sql, receiver: EventReceiver): Promise<number> {
  const { count } = await sql`
    DELETE FROM event_deliveries WHERE receiver = ${receiverId(receiver)} AND given_up_at IS NULL`
  return count
}

/** Forgets what is old, with what waits for receivers that nobody serves any more. */
export async function forgetOldEvents(sql: Sql): Promise<void> {
  await sql`DELETE FROM events WHERE at < now() - ${KEPT_DAYS} * interval '1 day'`
}
