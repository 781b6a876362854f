import type { DatabaseFigures } from '../model/stats.ts'
import {
  lookedAtFamilies,
  lookedAtSamples,
  type Family,
  type FamilySamples,
  type LookedAt,
} from './family.ts'

/** What the database tells of the work that is done there. Of several processes only one looks. */
const GAUGES: readonly LookedAt<DatabaseFigures>[] = [
  {
    name: 'waybill_roll_ups_age_seconds',
    help: 'Since the oldest batch was stored that roll-ups have not taken in; absent after minutes without the database',
    labels: [],
    read: ({ rollUpsAgeMs }) => [{ value: rollUpsAgeMs / 1000, labels: {} }],
  },
  {
    name: 'waybill_roll_ups_due_slots',
    help: 'Slots of roll-ups that are over and not computed; absent after minutes without the database',
    labels: [],
    read: ({ dueSlots }) => [{ value: dueSlots, labels: {} }],
  },
  {
    name: 'waybill_keys_expiring',
    help: 'Valid keys without a successor that expire within this time; absent after minutes without the database',
    labels: ['within'],
    read: ({ keysExpiring }) =>
      Object.entries(keysExpiring).map(([window, value]) => ({ value, labels: { within: window } })),
  },
]

/** For a process that looks itself. */
export const FIGURES_FAMILIES: readonly Family[] = lookedAtFamilies(GAUGES, ({ vitals }) => vitals.figures)

/** For a primary, which looks for its workers. */
export function figuresSamples(figures: DatabaseFigures | null): FamilySamples[] {
  return lookedAtSamples(GAUGES, figures)
}
