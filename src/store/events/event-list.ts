import type { EventType, GatewayEvent } from '../../model/events/event.ts'
import type { Sql } from '../sql.ts'

/** An event, and how far it has come. */
export interface ListedEvent extends GatewayEvent {
  /** Receivers that have not taken it and are asked again. */
  readonly waiting: number
  /** Receivers for which it was given up. */
  readonly givenUp: number
}

/** Which events are listed. */
export interface EventListing {
  readonly type?: EventType
  /** Id of the last event of the page before. */
  readonly after?: string
  readonly limit: number
}

/** What was found in the last 30 days, newest first. */
export async function listEvents(sql: Sql, { type, after, limit }: EventListing): Promise<ListedEvent[]> {
  return await sql<ListedEvent[]>`
    SELECT e.id, e.type, e.at, e.data, d.waiting, d.given_up AS "givenUp"
    FROM events e CROSS JOIN LATERAL (
      SELECT count(*) FILTER (WHERE given_up_at IS NULL)::int AS waiting, count(given_up_at)::int AS given_up
      FROM event_deliveries WHERE event_id = e.id) d
    WHERE true ${type === undefined ? sql`` : sql`AND e.type = ${type}`}
      ${after === undefined ? sql`` : sql`AND (e.at, e.id) < (SELECT a.at, a.id FROM events a WHERE a.id = ${after})`}
    ORDER BY e.at DESC, e.id DESC LIMIT ${limit}`
}

/** What of all events a receiver has not taken. */
export interface ReceiverBacklog {
  readonly waiting: number
  /** When the oldest of these was found. */
  readonly oldestAt: Date | null
  readonly givenUp: number
  /** Of the newest event that it was tried with and did not take: how often, and what the last attempt came to. */
  readonly attempts: number
  readonly failure: string | null
}

const NOTHING: ReceiverBacklog = { waiting: 0, oldestAt: null, givenUp: 0, attempts: 0, failure: null }

/** By receiver, in their order. `ids`: of `receiverId`. */
export async function readBacklogs(sql: Sql, ids: readonly string[]): Promise<readonly ReceiverBacklog[]> {
  const rows = await sql<(ReceiverBacklog & { receiver: string })[]>`
    SELECT r.receiver, c.waiting, c.oldest_at AS "oldestAt", c.given_up AS "givenUp", coalesce(f.attempts, 0) AS attempts, f.failure
    FROM unnest(${[...ids]}::text[]) AS r (receiver)
    CROSS JOIN LATERAL (
      SELECT count(*) FILTER (WHERE given_up_at IS NULL)::int AS waiting, count(given_up_at)::int AS given_up,
        min(e.at) FILTER (WHERE given_up_at IS NULL) AS oldest_at
      FROM event_deliveries d JOIN events e ON e.id = d.event_id WHERE d.receiver = r.receiver) c
    LEFT JOIN LATERAL (
      SELECT d.attempts, d.failure FROM event_deliveries d JOIN events e ON e.id = d.event_id
      WHERE d.receiver = r.receiver AND d.failure IS NOT NULL ORDER BY e.at DESC, e.id DESC LIMIT 1) f ON true`
  const found = new Map(rows.map(({ receiver, ...backlog }) => [receiver, backlog]))
  return ids.map((id) => found.get(id) ?? NOTHING)
}
