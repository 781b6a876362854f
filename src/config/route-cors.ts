import { z } from 'zod'
import { DURATION_FORM, parseDurationMs } from '../model/duration.ts'
import type { CorsRules } from '../model/route-rules.ts'
import { key } from './route-key.ts'

const DAY_MS = 86_400_000

/** An origin as browsers write it (RFC 6454 §6.2): no path, no default port, lower case. */
const origin = z
  .string()
  .refine(
    (text) =>
      text === '*' ||
      text === 'null' ||
      (/^https?:/.test(text) && URL.canParse(text) && new URL(text).origin === text),
    'must be an origin as browsers send it, such as https://app.example.com, or null, or *',
  )
const name = z.string().regex(/^[!#$%&'+.^_`|~0-9A-Za-z-]{1,128}$/, 'must be a name; * is not taken')
const names = (...usual: string[]) => z.array(name).max(64).default(usual)

/** The `cors` of a route. */
export const cors = z
  .strictObject({
    origins: key(
      z.array(origin).min(1).max(256),
      'a list of origins such as https://app.example.com, or null, or *',
      'Whose pages may use the route',
      'required',
    ),
    methods: key(
      names('GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'),
      'a list of names',
      'What pages may ask by',
    ),
    headers: key(
      names('Authorization', 'Content-Type', 'X-Api-Key', 'X-Request-Id'),
      'a list of names',
      'Fields that pages may send',
    ),
    exposeHeaders: key(
      names('Location', 'RateLimit', 'RateLimit-Policy', 'Retry-After', 'X-Request-Id'),
      'a list of names',
      'Fields of the answer that pages may read',
    ),
    credentials: key(
      z.boolean().default(false),
      'true or false',
      'Whether cookies and client certificates go along; not with the origins * and null',
    ),
    maxAge: key(
      z
        .union([z.number(), z.string()])
        .transform((v) => (typeof v === 'number' ? v : (parseDurationMs(v) ?? Number.NaN)))
        .refine((v) => v >= 0 && v <= DAY_MS, `must be up to a day, in milliseconds or as ${DURATION_FORM}`)
        .default(600_000),
      `milliseconds up to a day, or ${DURATION_FORM}`,
      'How long a browser keeps what a preflight was told',
    ),
  })
  .refine(
    ({ origins, credentials }) => !credentials || !origins.some((text) => text === '*' || text === 'null'),
    'credentials: true needs origins that are named: any page could act for the user',
  )
  .transform(({ maxAge, ...rest }): CorsRules => ({ ...rest, maxAgeSeconds: Math.floor(maxAge / 1000) }))
