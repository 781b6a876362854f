import { DURATION_FORM, parseDurationMs } from '../model/duration.ts'
import { ENTRY_OUTCOMES } from '../model/canary.ts'
import { SLUG_PATTERN } from '../model/slug.ts'
import { TIME_ZONE_FORM, TimeZone } from '../model/time-zone.ts'
import { ParameterError, type ParameterProblem } from './problem.ts'

/** One query parameter: what is allowed, in words, and how it is read; null for what is not allowed. */
export interface Parameter<T> {
  readonly form: string
  readonly parse: (text: string) => T | null
}

type Parameters = Readonly<Record<string, Parameter<unknown>>>

/** The values of the parameters that were given. */
export type Values<P extends Parameters> = {
  readonly [K in keyof P]?: P[K] extends Parameter<infer T> ? T : never
}

/** Reads a query string. Throws a ParameterError with everything that is wrong: unknown, repeated, unusable. */
export function readParameters<P extends Parameters>(query: URLSearchParams, parameters: P): Values<P> {
  const problems: ParameterProblem[] = []
  const values = new Map<string, unknown>()
  for (const [name, text] of query) {
    const parameter = Object.hasOwn(parameters, name) ? parameters[name] : undefined
    const refuse = (detail: string): void => void problems.push({ parameter: name.slice(0, 80), detail })
    if (parameter === undefined) {
      refuse(`there is no such parameter; there are ${Object.keys(parameters).join(', ') || 'none'}`)
      continue
    }
    if (values.has(name)) {
      refuse('must be given once')
      continue
    }
    const value = parameter.parse(text)
    values.set(name, value)
    if (value === null) refuse(`must be ${parameter.form}`)
  }
  if (problems.length > 0) throw new ParameterError(problems.slice(0, 20))
  return Object.fromEntries(values) as Values<P>
}

/** A tenant or route. */
export const SLUG: Parameter<string> = {
  form: '1 to 63 of a-z, 0-9 and -, starting with a letter or digit',
  parse: (text) => (SLUG_PATTERN.test(text) ? text : null),
}

/** A status or a class of them, as text. */
export const STATUS: Parameter<string> = {
  form: 'a status such as 404, or a class of them such as 5xx',
  parse: (text) => (/^[1-5](?:\d\d|xx)$/.test(text) ? text : null),
}

export const OUTCOME: Parameter<(typeof ENTRY_OUTCOMES)[number]> = {
  form: `one of ${ENTRY_OUTCOMES.join(', ')}`,
  parse: (text) => ENTRY_OUTCOMES.find((name) => name === text) ?? null,
}

/** A request method (RFC 9110 §9.1: case-sensitive). */
export const METHOD: Parameter<string> = {
  form: 'a method such as GET: 1 to 32 letters, digits, - and _',
  parse: (text) => (/^[\w-]{1,32}$/.test(text) ? text : null),
}

export const PATH_PREFIX: Parameter<string> = {
  form: 'the beginning of a path: 1 to 2048 characters, none of them U+0000',
  parse: (text) => (text !== '' && text.length <= 2048 && !text.includes('\0') ? text : null),
}

const TIME_PATTERN = /^\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:Z|[+-]\d\d:\d\d))?$/

export const TIME_ZONE: Parameter<TimeZone> = { form: TIME_ZONE_FORM, parse: (text) => TimeZone.named(text) }

/** A moment: as such, as the beginning of a day of `zone`, or as how long before `nowMs`. */
export const timeAt = (nowMs: number, zone = TimeZone.UTC): Parameter<Date> => ({
  form: `a time such as 2026-11-21, 2026-11-21T08:00:00Z, or how long ago: ${DURATION_FORM}`,
  parse: (text) => {
    const agoMs = parseDurationMs(text)
    if (agoMs !== null) return new Date(nowMs - agoMs)
    const time = new Date(TIME_PATTERN.test(text) ? text : Number.NaN)
    if (Number.isNaN(time.getTime())) return null
    return text.includes('T') || zone === TimeZone.UTC ? time : new Date(zone.momentOf(time.getTime()))
  },
})

/** How many to return at most. */
export const LIMIT: Parameter<number> = {
  form: 'a whole number from 1 to 1000',
  parse: (text) => (/^[1-9]\d{0,3}$/.test(text) && Number(text) <= 1000 ? Number(text) : null),
}
