import { z } from '@hono/zod-openapi'
import type { Context } from 'hono'
import { findAnswer, keepAnswer, type RepeatableRequest } from '../../store/access/kept-answers.ts'
import type { Sql, TransactionSql } from '../../store/sql.ts'
import { change } from './change.ts'
import type { ApiEnv } from './operation.ts'
import { ApiError } from './problems.ts'

/** Headers of a creation that may be asked for again (draft-ietf-httpapi-idempotency-key-header). */
export const ONCE = z.object({
  'idempotency-key': z
    .string()
    .regex(
      /^[!-~]{16,255}$/,
      '16 to 255 characters of printable ASCII that nobody guesses, such as a random UUID',
    )
    .optional()
    .openapi({
      description:
        'The same key and request get the same answer for a day, the secret in it too, and `Idempotent-Replayed: true`.',
    }),
})

/**
 * Runs a creation in a transaction, as `change` does, and with an Idempotency-Key once: asked for again, it gives the answer of before.
 * That is kept with the change, or neither is. Throws an ApiError for a key that was used for something else, or is in use.
 */
export async function changeOnce<T extends object>(
  c: Context<ApiEnv>,
  control: Sql,
  work: (tx: TransactionSql) => Promise<T>,
): Promise<T> {
  const key = c.req.header('idempotency-key')
  if (key === undefined) return await change(c, control, work)
  const { kind, tokenId, subject, name } = c.var.signedIn.principal
  const asked: RepeatableRequest = {
    principal: `${kind} ${tokenId ?? subject ?? name}`,
    key,
    request: `${c.req.method} ${c.req.path}\n${await c.req.text()}`,
  }
  return await change(c, control, async (tx) => {
    const kept = await findAnswer(tx, asked)
    if (kept === 'under_way')
      throw new ApiError(409, 'idempotency_under_way', {
        title: 'Conflict',
        detail: 'A request with this Idempotency-Key is under way.',
        headers: { 'retry-after': '1' },
      })
    if (kept === 'other')
      throw new ApiError(422, 'idempotency_mismatch', {
        title: 'Another request',
        detail: 'This Idempotency-Key was used for another request within a day.',
      })
    if (kept !== 'none') {
      c.header('Idempotent-Replayed', 'true')
      return JSON.parse(kept.answer) as T
    }
    const made = await work(tx)
    await keepAnswer(tx, asked, JSON.stringify(made))
    return made
  })
}
