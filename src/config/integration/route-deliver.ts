import { z } from 'zod'
import type { DeliveryRules, ValuePlace } from '../../model/delivery/deliver-rules.ts'
import { DURATION_FORM } from '../../model/duration.ts'
import type { Route } from '../../model/route.ts'
import { duration, key } from '../route-key.ts'

/** How a route of kind `integration` treats requests: passes them on, or keeps them and delivers them itself. */
export const ROUTE_MODES = ['forward', 'accept'] as const

const PLACE_FORM = 'header:Name, or a path in JSON such as $.repository.id'
const PLACES_FORM = `a list of up to 8 of: ${PLACE_FORM}`
const MILLISECONDS = `milliseconds, or ${DURATION_FORM}`
const MAX_STEPS = 16
/** A body is held while it is accepted: see `route-signature.ts`. */
const MAX_BODY_BYTES = 32 * 1024 * 1024

const place = z.string().transform((text, ctx): ValuePlace => {
  const read = readPlace(text)
  if (read !== null) return read
  ctx.addIssue({ code: 'custom', message: `must be ${PLACE_FORM}` })
  return z.NEVER
})

const places = z.array(place).max(8)

const bodyOrPlace = z.string().transform((text, ctx): ValuePlace => {
  const read: ValuePlace | null = text === 'body' ? { kind: 'body' } : readPlace(text)
  if (read !== null) return read
  ctx.addIssue({ code: 'custom', message: `must be body, ${PLACE_FORM}` })
  return z.NEVER
})

const mediaType = z
  .string()
  .toLowerCase()
  .regex(/^[a-z0-9.+-]+\/[a-z0-9.+-]+$/, 'must be a media type without parameters')

/** The `accept` of a route. */
export const accept = z.strictObject({
  contentTypes: key(
    z.array(mediaType).max(16).default([]),
    'a list of media types such as application/json',
    'What bodies may be; others are answered 415. Empty for any',
  ),
  requires: key(places.default([]), PLACES_FORM, 'What must have a value; 400 names what has none'),
  ignore: key(
    z.strictObject({ place, values: z.array(z.string().max(256)).min(1).max(64) }).optional(),
    `{ place: ${PLACE_FORM}, values: a list of texts }`,
    'What is answered 200 and not kept',
    'nothing is ignored',
  ),
  patienceMs: key(
    duration(0, 8000),
    MILLISECONDS,
    'How long a sender is kept waiting while nothing can be kept; then it is answered 503',
  ),
})

/** The `deliver` of a route. */
export const deliver = z.strictObject({
  concurrency: key(
    z.int().min(1).max(1000).default(10),
    'a whole number from 1 to 1000',
    'Attempts at once, over all gateways',
  ),
  orderBy: key(
    places.default([]),
    PLACES_FORM,
    'Deliveries with the same values go one after the other, in the order in which they came',
  ),
  dedupeBy: key(
    bodyOrPlace.optional(),
    `body, ${PLACE_FORM}`,
    'What tells that a delivery came before',
    'none is told',
  ),
  dedupeWindowMs: key(
    duration(1000, 86_400_000),
    `${MILLISECONDS}; at least 1000`,
    'For how long it is told',
  ),
  coalesce: key(
    z.strictObject({ by: places.min(1), windowMs: duration(100, 5000) }).optional(),
    `{ by: ${PLACES_FORM}, windowMs: ${MILLISECONDS} }`,
    'Deliveries with the same values become one call with the latest body, so long after the first',
    'each is a call',
  ),
  timeoutMs: key(
    duration(1, 10_000),
    `${MILLISECONDS}; at least 1`,
    "Longest wait for an attempt's answer, connection included",
  ),
  retries: key(
    z
      .strictObject({
        max: z.int().min(0).max(100).default(12),
        minMs: duration(10, 1000),
        maxMs: duration(10, 3_600_000),
      })
      .prefault({}),
    `{ max: 0 to 100, minMs: ${MILLISECONDS}, maxMs: ${MILLISECONDS} }`,
    'How often a failed attempt is repeated, and the shortest and longest wait, doubling between',
    '`{ max: 12, minMs: 1s, maxMs: 1h }`',
  ),
  permanent: key(
    z.array(z.int().min(300).max(599)).max(64).default([]),
    'a list of statuses from 300 to 599',
    'Answers after which nothing is repeated, beside 410',
  ),
  mask: key(places.default([]), PLACES_FORM, 'What `waybill deliveries show --body` does not show'),
  breaker: key(
    z
      .strictObject({ failures: z.int().min(1).max(1000).default(10), openMs: duration(100, 30_000) })
      .prefault({}),
    `{ failures: 1 to 1000, openMs: ${MILLISECONDS} }`,
    'So many failures in a row keep the receiver unbothered for so long; then one attempt tries it',
    '`{ failures: 10, openMs: 30s }`',
  ),
})

type AcceptKeys = z.infer<typeof accept>
type DeliverKeys = z.infer<typeof deliver>

/** What is wrong with how a route's deliveries are meant: problems begin with the key's name. */
export function deliverProblems(
  route: Pick<Route, 'auth' | 'kind' | 'maxBodyBytes'>,
  mode: (typeof ROUTE_MODES)[number],
  keys: { readonly accept?: AcceptKeys | undefined; readonly deliver?: DeliverKeys | undefined },
): string[] {
  if (mode === 'forward') {
    return (['accept', 'deliver'] as const)
      .filter((name) => keys[name] !== undefined)
      .map((name) => `${name}: needs mode: accept`)
  }
  const problems: string[] = []
  if (route.kind !== 'integration') problems.push('mode: accept needs kind: integration')
  if (route.auth === 'public')
    problems.push('mode: accept needs auth: key or signature, since a public route has no tenant')
  if (route.maxBodyBytes > MAX_BODY_BYTES)
    problems.push('maxBodyBytes: must be at most 32MiB with mode: accept, since bodies are held')
  const { minMs = 0, maxMs = 0 } = keys.deliver?.retries ?? {}
  if (minMs > maxMs) problems.push('deliver.retries.maxMs: must be at least minMs')
  return problems
}

/** The rules of a route with `mode: accept`, of keys without problems. */
export function deliveryRules(keys: {
  readonly accept?: AcceptKeys | undefined
  readonly deliver?: DeliverKeys | undefined
}): DeliveryRules {
  const { ignore = null, ...taken } = keys.accept ?? accept.parse({})
  const { dedupeBy, dedupeWindowMs, coalesce = null, ...rest } = keys.deliver ?? deliver.parse({})
  const dedupe = dedupeBy === undefined ? null : { by: dedupeBy, windowMs: dedupeWindowMs }
  return { accept: { ...taken, ignore }, deliver: { ...rest, dedupe, coalesce } }
}

function readPlace(text: string): ValuePlace | null {
  const header = /^header:([!#$%&'*+.^_`|~0-9A-Za-z-]{1,128})$/.exec(text)?.[1]
  if (header !== undefined) return { kind: 'header', name: header.toLowerCase() }
  if (!/^\$(?:\.[A-Za-z0-9_-]{1,128}|\[\d{1,6}\])+$/.test(text)) return null
  const steps = text.slice(1).match(/[A-Za-z0-9_-]+/g) ?? []
  return steps.length > MAX_STEPS ? null : { kind: 'json', steps }
}
