import { single, type Family, type FamilySamples } from './family.ts'

const NAME = 'waybill_log_lines_dropped_total'
const HELP = 'Log lines lost because nothing read stderr'

/** What each process tells of its own running. */
export const PROCESS_FAMILIES: readonly Family[] = [single('counter', NAME, HELP, (r) => r.droppedLogLines)]

/** The same of a primary, beside its workers. */
export function primarySamples(droppedLogLines: number): FamilySamples[] {
  return [
    {
      type: 'counter',
      name: NAME,
      help: HELP,
      merge: 'sum',
      values: [{ value: droppedLogLines, labels: {} }],
    },
  ]
}
