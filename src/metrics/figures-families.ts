import type { DatabaseFigures } from '../model/stats.ts'
import type { Family, FamilySamples, Sample } from './family.ts'

/** What the database tells of the work that is done there. Of several processes only one looks. */
const FAMILIES: readonly {
  readonly name: string
  readonly help: string
  readonly labels: readonly string[]
  readonly read: (figures: DatabaseFigures) => readonly Sample[]
}[] = [
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
export const FIGURES_FAMILIES: readonly Family[] = FAMILIES.map(({ name, help, labels, read }) => ({
  type: 'gauge',
  merge: 'max',
  name,
  help,
  labels,
  read: ({ vitals: { figures } }) => (figures === null ? [] : read(figures)),
}))

/** For a primary, which looks for its workers. */
export function figuresSamples(figures: DatabaseFigures | null): FamilySamples[] {
  return FAMILIES.map(({ name, help, read }) => ({
    type: 'gauge',
    merge: 'max',
    name,
    help,
    values: figures === null ? [] : read(figures),
  }))
}
