import { byKey, single, type Family } from './family.ts'

/** Requests with an Idempotency-Key on routes that heed it; without such a route these families are empty. */
export const IDEMPOTENCY_FAMILIES: readonly Family[] = [
  byKey(
    'counter',
    ['waybill_idempotency_requests_total', 'result'],
    'Requests with an Idempotency-Key, by what the key turned out to be',
    ({ idempotency }): Readonly<Record<string, number>> => idempotency?.results ?? {},
  ),
  byKey(
    'counter',
    ['waybill_idempotency_answers_total', 'result'],
    'First requests with a key that have ended, by what became of the key',
    ({ idempotency }): Readonly<Record<string, number>> => idempotency?.ends ?? {},
  ),
  single(
    'gauge',
    'waybill_idempotency_under_way',
    'First requests with a key that this gateway has under way',
    ({ idempotency }) => idempotency?.underWay ?? null,
  ),
]
