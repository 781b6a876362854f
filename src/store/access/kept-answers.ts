import { digestOf, seal, unseal } from '../sealed.ts'
import type { TransactionSql } from '../sql.ts'

/** Answers are kept so long. */
const KEPT = '24 hours'
/** Of those that are over, so many are deleted with each that is kept: more than come. */
const MAX_DELETED = 100
/** See `seal`. */
const PURPOSE = 'waybill admin answer'

/** A creation that may be asked for again. */
export interface RepeatableRequest {
  /** Who asks: the same key of another is another. */
  readonly principal: string
  /** The Idempotency-Key: a text that nobody guesses, since it opens the answer. */
  readonly key: string
  /** All that makes it the same request: method, path, body. */
  readonly request: string
}

/** What became of a request with a key before: nothing, the same answer, one to another request, or it is under way now. */
export type KeptAnswer = 'none' | 'other' | 'under_way' | { readonly answer: string }

/** Looks for the answer, and has all others with this key wait their turn (they are told `under_way`) until the transaction ends. */
export async function findAnswer(
  tx: TransactionSql,
  { principal, key, request }: RepeatableRequest,
): Promise<KeptAnswer> {
  const lock = `waybill answer ${principal} ${digestOf(key).toString('hex')}`
  const [held] = await tx<{ is_held: boolean }[]>`
    SELECT pg_try_advisory_xact_lock(hashtextextended(${lock}, 0)) AS is_held`
  if (held?.is_held !== true) return 'under_way'
  const [row] = await tx<{ request_digest: Buffer; sealed: Buffer }[]>`
    SELECT request_digest, sealed FROM admin_answers
    WHERE principal = ${principal} AND key_digest = ${digestOf(key)} AND created_at > now() - ${KEPT}::interval`
  if (row === undefined) return 'none'
  return row.request_digest.equals(digestOf(request))
    ? { answer: unseal(row.sealed, key, PURPOSE).toString() }
    : 'other'
}

/** Keeps an answer with the change that it tells of. */
export async function keepAnswer(
  tx: TransactionSql,
  { principal, key, request }: RepeatableRequest,
  answer: string,
): Promise<void> {
  await tx`
    DELETE FROM admin_answers WHERE (principal, key_digest) IN (
      SELECT principal, key_digest FROM admin_answers WHERE created_at <= now() - ${KEPT}::interval
      ORDER BY created_at LIMIT ${MAX_DELETED} FOR UPDATE SKIP LOCKED)`
  await tx`
    INSERT INTO admin_answers (principal, key_digest, request_digest, sealed)
    VALUES (${principal}, ${digestOf(key)}, ${digestOf(request)}, ${seal(Buffer.from(answer), key, PURPOSE)})
    ON CONFLICT (principal, key_digest) DO UPDATE
    SET request_digest = excluded.request_digest, sealed = excluded.sealed, created_at = now()`
}
