import { hash } from 'node:crypto'

/**
 * What is told to receivers. `key.expiring`: a key ends within a week. `ledger.gap`: the audit found that the log is not whole.
 * `entries.dropped`: accepted entries were given up. `quarantine.added`: PostgreSQL refused entries. `limit.reached`: requests of a
 * tenant were refused by a limit. `upstream.failing`: half of a route's requests fail at its upstream. `certificate.expiring`: one of the
 * listener's ends within two weeks. `gateway.not_ready`: a gateway has not been ready for a minute.
 */
export const EVENT_TYPES = [
  'key.expiring',
  'ledger.gap',
  'entries.dropped',
  'quarantine.added',
  'limit.reached',
  'upstream.failing',
  'certificate.expiring',
  'gateway.not_ready',
] as const

export type EventType = (typeof EVENT_TYPES)[number]

/** Something that happened. Plain data: it becomes JSON. */
export interface GatewayEvent {
  /** Of what happened, the same wherever it is found; 300 characters at most. */
  readonly id: string
  readonly type: EventType | 'events.test'
  readonly at: Date
  readonly data: Readonly<Record<string, unknown>>
}

/** What was found, before it is written down: its time is the database's. */
export type Finding = Omit<GatewayEvent, 'at'>

/** Why an event does not reach a receiver: too many wait for it, it took none of the attempts, it wants no more (410). */
export type EventLoss = 'full' | 'given_up' | 'gone'

/** Where events are sent. */
export interface EventReceiver {
  /** May hold a secret. */
  readonly url: string
  /** `whsec_` and the key in base64. A secret. */
  readonly secret: string
  readonly types: readonly EventType[]
}

/** A receiver's name in the database, where its URL does not stand. */
export function receiverId({ url }: EventReceiver): string {
  return hash('sha256', url)
}

/** A receiver's name for people: without what may be secret of its URL. */
export function receiverName({ url }: EventReceiver): string {
  return new URL(url).origin
}
