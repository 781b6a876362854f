import { NONE_LABEL, single, type Family, type FamilySamples } from './family.ts'

const NAME = 'waybill_log_lines_dropped_total'
const HELP = 'Log lines lost because nothing read stderr'

/** What each process tells of its own running. */
export const PROCESS_FAMILIES: readonly Family[] = [
  single('gauge', 'waybill_ready', '1 while /readyz answers 200', (r) => (r.vitals.isReady ? 1 : 0), 'max'),
  {
    type: 'gauge',
    name: 'waybill_certificate_expires_seconds',
    help: 'Until a certificate of listen.tls expires, by its first name; negative when it has',
    labels: ['certificate'],
    merge: 'min',
    read: ({ vitals: { certificates } }) =>
      certificates.map(({ name, expiresAtMs }) => ({
        value: (expiresAtMs - Date.now()) / 1000,
        labels: { certificate: name === '' ? NONE_LABEL : name },
      })),
  },
  single('counter', NAME, HELP, (r) => r.droppedLogLines),
]

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
