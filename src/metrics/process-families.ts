import { NONE_LABEL, single, type Family, type FamilySamples } from './family.ts'

const READY_NAME = 'waybill_ready'
const READY_HELP = '1 while /readyz answers 200'
const LINES_NAME = 'waybill_log_lines_dropped_total'
const LINES_HELP = 'Log lines lost because nothing read stderr'

/** What each process tells of its own running. */
export const PROCESS_FAMILIES: readonly Family[] = [
  single('gauge', READY_NAME, READY_HELP, (r) => (r.vitals.isReady ? 1 : 0), 'max'),
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
  single('counter', LINES_NAME, LINES_HELP, (r) => r.droppedLogLines),
]

/** The same of a primary, beside its workers. `isReady`: its own /readyz answers 200. */
export function primarySamples(droppedLogLines: number, isReady: boolean): FamilySamples[] {
  const ready = [{ value: isReady ? 1 : 0, labels: {} }]
  const lines = [{ value: droppedLogLines, labels: {} }]
  return [
    { type: 'gauge', name: READY_NAME, help: READY_HELP, merge: 'max', values: ready },
    { type: 'counter', name: LINES_NAME, help: LINES_HELP, merge: 'sum', values: lines },
  ]
}

/** What of a worker's families counts: the primary tells whether the gateway is ready, also of workers that do not answer. */
export function withoutReadiness(families: readonly FamilySamples[]): FamilySamples[] {
  return families.filter(({ name }) => name !== READY_NAME)
}
