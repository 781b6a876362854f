import type { EventsStats } from '../model/stats.ts'
import type { Family, FamilySamples, Sample } from './family.ts'

/** What became of events. Of several processes only one sends them. */
const FAMILIES: readonly {
  readonly name: string
  readonly help: string
  readonly labels: readonly string[]
  readonly read: (events: EventsStats) => readonly Sample[]
}[] = [
  {
    name: 'waybill_events_sent_total',
    help: 'Events that a receiver took; absent without receivers',
    labels: [],
    read: ({ sent }) => [{ value: sent, labels: {} }],
  },
  {
    name: 'waybill_events_lost_total',
    help: 'Events that a receiver does not get: too many wait for it, it took none of the attempts, it wants no more; absent without receivers',
    labels: ['reason'],
    read: ({ lost }) => Object.entries(lost).map(([reason, value]) => ({ value, labels: { reason } })),
  },
]

/** For a process that sends events itself. */
export const EVENT_FAMILIES: readonly Family[] = FAMILIES.map(({ name, help, labels, read }) => ({
  type: 'counter',
  name,
  help,
  labels,
  read: ({ vitals: { events } }) => (events === null ? [] : read(events)),
}))

/** For a primary, which sends events for its workers. */
export function eventSamples(events: EventsStats | null): FamilySamples[] {
  return FAMILIES.map(({ name, help, read }) => ({
    type: 'counter',
    merge: 'sum',
    name,
    help,
    values: events === null ? [] : read(events),
  }))
}
