import { bytes, integer } from '../option-rows.ts'

const GIB = 1024 ** 3

/** What is kept for routes that heed Idempotency-Keys: `idempotency.…`. */
export const IDEMPOTENCY_OPTIONS = {
  'idempotency.maxKeys': integer(
    1_000_000,
    1,
    1_000_000_000,
    'Idempotency-Keys of a tenant that are kept at once; requests with more are as those with PostgreSQL away',
  ),
  'idempotency.maxBytes': bytes(
    GIB,
    1,
    1024 * GIB,
    'Bytes of answers of a tenant that are kept at once; requests with new keys are as above',
  ),
} as const
