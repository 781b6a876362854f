import type { EventsStats } from '../model/stats.ts'
import {
  lookedAtFamilies,
  lookedAtSamples,
  type Family,
  type FamilySamples,
  type LookedAt,
} from './family.ts'

/** What became of events. Of several processes only one sends them. */
const COUNTERS: readonly LookedAt<EventsStats>[] = [
  {
    isCounter: true,
    name: 'waybill_events_sent_total',
    help: 'Events that a receiver took; absent without receivers',
    labels: [],
    read: ({ sent }) => [{ value: sent, labels: {} }],
  },
  {
    isCounter: true,
    name: 'waybill_events_lost_total',
    help: 'Events that a receiver does not get: too many wait for it, it took none of the attempts, it wants no more; absent without receivers',
    labels: ['reason'],
    read: ({ lost }) => Object.entries(lost).map(([reason, value]) => ({ value, labels: { reason } })),
  },
]

/** For a process that sends events itself. */
export const EVENT_FAMILIES: readonly Family[] = lookedAtFamilies(COUNTERS, ({ vitals }) => vitals.events)

/** For a primary, which sends events for its workers. */
export function eventSamples(events: EventsStats | null): FamilySamples[] {
  return lookedAtSamples(COUNTERS, events)
}
