import { z } from '@hono/zod-openapi'
import { parseDurationMs } from '../../model/duration.ts'
import { scopeProblem } from '../../model/scope.ts'
import { SLUG_PATTERN } from '../../model/slug.ts'
import { readClock } from '../../store/entries/retention.ts'
import type { Sql, TransactionSql } from '../../store/sql.ts'
import { timeAt } from '../parameters.ts'
import { ApiError } from './problems.ts'

const MAX_RATE = 1_000_000

/** A tenant or route. */
export const SLUG = z
  .string()
  .regex(SLUG_PATTERN, '1 to 63 of a-z, 0-9 and -, starting with a letter or digit')
  .openapi({ example: 'acme' })

/** Public id of a key or token. */
export const ID = z
  .string()
  .regex(/^[0-9a-z]{12}$/, '12 of 0-9 and a-z')
  .openapi({ example: '0a1b2c3d4e5f' })

/** Requests per second, and as many at once; null for no limit. */
export const RATE = z
  .strictObject({ perSecond: z.number().positive().max(MAX_RATE), burst: z.int().min(1).max(MAX_RATE) })
  .nullable()

/** A name for listings. */
export const NAME = z
  .string()
  .min(1)
  .max(200)
  .refine((text) => !/[\p{Cc}\p{Cs}]/u.test(text), { error: '1 to 200 printable characters' })

/** What a key permits. */
export const SCOPE = z.string().refine((text) => scopeProblem(text) === null, {
  error: ({ input }) => scopeProblem(String(input)) ?? '',
})

/** A moment, or how long ago, to be read with `timeAt` when the time is known. */
export const MOMENT = z
  .string()
  .refine((text) => timeAt(0).parse(text) !== null, { error: `must be ${timeAt(0).form}` })
  .openapi({ example: '24h' })

/** When something ends: a moment, a duration from now on, or null for never. */
export const EXPIRES = z
  .string()
  .refine(
    (text) => parseDurationMs(text) !== null || z.iso.datetime({ offset: true }).safeParse(text).success,
    {
      error: 'a moment (2026-11-27T12:00:00Z) or a duration (90d) in the future, or null for never',
    },
  )
  .nullable()
  .openapi({ example: '90d' })

/** The moment that `EXPIRES` means by the database's clock. Throws an ApiError for one that is over. */
export async function expiryOf(sql: Sql | TransactionSql, text: string | null): Promise<Date | null> {
  if (text === null) return null
  const { databaseMs } = await readClock(sql, Date.now)
  const inMs = parseDurationMs(text)
  const at = inMs === null ? new Date(text) : new Date(databaseMs + inMs)
  if (at.getTime() > databaseMs && at.getUTCFullYear() < 9999) return at
  throw ApiError.ofField('expires', 'must be in the future')
}
