import type { Family } from './family.ts'

/** Spans for a collector; without one these families are empty. */
export const TRACE_FAMILIES: readonly Family[] = [
  {
    type: 'counter',
    name: 'waybill_traces_spans_total',
    help: 'Spans by what became of them; absent without traces.endpoint',
    labels: ['result'],
    read: ({ traces }) =>
      traces === null
        ? []
        : (['exported', 'dropped', 'rejected'] as const).map((result) => ({
            value: traces[result],
            labels: { result },
          })),
  },
  {
    type: 'gauge',
    name: 'waybill_traces_waiting_spans',
    help: 'Spans that wait for the collector; absent without traces.endpoint',
    labels: [],
    read: ({ traces }) => (traces === null ? [] : [{ value: traces.waiting, labels: {} }]),
  },
]
