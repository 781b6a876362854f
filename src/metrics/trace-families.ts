import { byKey, single, type Family } from './family.ts'

/** Spans for a collector; without one these families are empty. */
export const TRACE_FAMILIES: readonly Family[] = [
  byKey(
    'counter',
    ['waybill_traces_spans_total', 'result'],
    'Spans by what became of them; absent without traces.endpoint',
    ({ traces }): Readonly<Record<string, number>> => {
      if (traces === null) return {}
      const { exported, dropped, rejected } = traces
      return { exported, dropped, rejected }
    },
  ),
  single(
    'gauge',
    'waybill_traces_waiting_spans',
    'Spans that wait for the collector; absent without traces.endpoint',
    ({ traces }) => traces?.waiting ?? null,
  ),
]
