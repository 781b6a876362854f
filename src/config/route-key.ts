import { z } from 'zod'
import { DURATION_FORM, parseDurationMs } from '../model/duration.ts'
import { parseBytes } from './option-rows.ts'

/** What the documents say of a route's key. */
export interface RouteKeyText {
  /** What the key does, in one line. */
  readonly help: string
  /** Allowed values, in words. */
  readonly form: string
  /** What holds without it, where its schema has no default that says so. */
  readonly absent?: string
}

const TEXTS = z.registry<RouteKeyText>()

/** A key of a route: its schema, and what the documents say of it. */
export function key<S extends z.ZodType>(schema: S, form: string, help: string, absent?: string): S {
  TEXTS.add(schema, { form, help, ...(absent === undefined ? {} : { absent }) })
  return schema
}

/** What the documents say of the key with this schema; null for a schema that is no key. */
export function keyText(schema: z.ZodType): RouteKeyText | null {
  return TEXTS.get(schema) ?? null
}

/** Milliseconds as a number, or a duration such as `5s`. */
export const duration = (min: number, def: number) =>
  durationUpTo(min, Number.MAX_SAFE_INTEGER, `must be milliseconds from ${min}, or ${DURATION_FORM}`).default(
    def,
  )

/** As `duration`, without a default; `message` says what is allowed. */
export const durationUpTo = (min: number, max: number, message: string) =>
  z
    .union([z.number(), z.string()])
    .transform((v) => (typeof v === 'number' ? v : (parseDurationMs(v) ?? Number.NaN)))
    .refine((v) => Number.isSafeInteger(v) && v >= min && v <= max, message)

/** Bytes as a number, or a size such as `8MiB`. */
export const size = (def: number) =>
  z
    .union([z.number(), z.string()])
    .transform((v) => parseBytes(v) ?? Number.NaN)
    .refine((v) => Number.isSafeInteger(v) && v >= 0, 'must be bytes, or such as 64KiB, 8MiB, 5GiB')
    .default(def)
