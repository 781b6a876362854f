import { didYouMean } from '../lib/near-name.ts'
import { KEY_PATTERN, isWellFormedKey, keyIdOf } from '../model/api-key.ts'
import { DURATION_FORM, parseDurationMs } from '../model/duration.ts'
import { networkProblem, plainNetwork } from '../model/network.ts'
import { RATE_FORM } from '../model/rate-limit.ts'
import type { RateLimit } from '../model/route.ts'
import { scopeProblem } from '../model/scope.ts'
import { slugProblem } from '../model/slug.ts'
import { TIME_ZONE_FORM, TimeZone } from '../model/time-zone.ts'
import { UsageError } from './errors.ts'

const MAX_RATE = 1_000_000

/** What a point in time must look like, for messages and help. */
export const TIME_FORM =
  'a time ago (15m, 1h, 7d), a UTC date (2026-11-21) or an ISO 8601 time (2026-11-21T09:30:00Z)'

/** 2 January 9999: later than any time that is meant. */
const LATE_MS = Date.UTC(9999, 0, 2)

/**
 * Reads the flags of one command and collects what is wrong with them, so that the user is told all of it at once.
 * Every reader returns a harmless value after a problem; `throwIfAny` must stand between reading and acting.
 */
export class Problems {
  readonly #found: string[] = []

  add(problem: string): void {
    this.#found.push(problem)
  }

  /** Throws a `UsageError` with every problem, if there is one. */
  throwIfAny(): void {
    if (this.#found.length > 0) throw new UsageError(this.#found)
  }

  /**
   * Reads flags before the database has told the time: adds what is wrong with them at whatever time. The clock of the machine where a command
   * is typed has no say in it.
   */
  readAtAnyTime<T>(read: (nowMs: number, found: Problems) => T): T {
    const [early, late] = [new Problems(), new Problems()]
    const value = read(0, early)
    read(LATE_MS, late)
    for (const problem of early.#found) if (late.#found.includes(problem)) this.add(problem)
    return value
  }

  slug(label: string, value: string): string {
    this.#check(label, slugProblem(value))
    return value
  }

  scopes(label: string, values: readonly string[]): string[] {
    for (const value of values) this.#check(label, scopeProblem(value))
    return [...new Set(values)]
  }

  networks(label: string, values: readonly string[]): string[] {
    return [...new Set(values.map((value) => this.network(label, value)))]
  }

  /** An address or a network; one of IPv4 in IPv6 is given back as IPv4, as which clients are known. */
  network(label: string, value: string): string {
    const problem = networkProblem(value)
    this.#check(label, problem)
    return problem === null ? plainNetwork(value) : value
  }

  durationMs(label: string, value: string): number {
    const ms = parseDurationMs(value)
    if (ms === null) this.add(`${label}: ${quote(value)} is not a duration: ${DURATION_FORM}`)
    return ms ?? 0
  }

  integer(label: string, value: string, min: number, max: number): number {
    const n = /^\d{1,15}$/.test(value) ? Number(value) : Number.NaN
    if (n >= min && n <= max) return n
    this.add(`${label}: ${quote(value)} is not a whole number from ${min} to ${max}`)
    return min
  }

  /** A number, or null for `none`. */
  integerOrNone(label: string, value: string, min: number, max: number): number | null {
    return value === 'none' ? null : this.integer(label, value, min, max)
  }

  /** A rate, or null for `none`. Without a burst, as many as one second allows. */
  rate(label: string, value: string): RateLimit | null {
    if (value === 'none') return null
    const match = /^(\d{1,7}(?:\.\d{1,6})?)(?::(\d{1,7}))?$/.exec(value)
    const perSecond = Number(match?.[1] ?? Number.NaN)
    const burst = match?.[2] === undefined ? Math.max(1, Math.ceil(perSecond)) : Number(match[2])
    if (perSecond > 0 && perSecond <= MAX_RATE && burst >= 1 && burst <= MAX_RATE) return { perSecond, burst }
    this.add(`${label}: ${quote(value)} is not a rate: ${RATE_FORM}, each up to ${MAX_RATE}`)
    return null
  }

  /** `<route>=<rate>` pairs by route; null removes the rate. */
  routeRates(label: string, values: readonly string[]): Record<string, RateLimit | null> {
    const rates: Record<string, RateLimit | null> = {}
    for (const value of values) {
      const [route = '', rate] = value.split('=', 2)
      if (rate === undefined) this.add(`${label}: ${quote(value)} is not <route>=${RATE_FORM}`)
      else rates[this.slug(label, route)] = this.rate(label, rate)
    }
    return rates
  }

  /** A point in time: that long before `nowMs`, or a date or time as written, of `zone` unless it names an offset. */
  time(label: string, value: string, nowMs: number, zone = TimeZone.UTC): Date {
    const agoMs = parseDurationMs(value)
    if (agoMs !== null) return new Date(nowMs - agoMs)
    const time = parseTime(value, zone)
    if (time !== null) return time
    this.add(`${label}: ${quote(value)} is not a time: ${TIME_FORM}`)
    return new Date(nowMs)
  }

  /** When a key ends: that long after `nowMs`, a date or time in the future, or null for `never`. */
  expiry(label: string, value: string, nowMs: number): Date | null {
    if (value === 'never') return null
    const inMs = parseDurationMs(value)
    const time = inMs === null ? parseTime(value) : new Date(nowMs + inMs)
    if (time === null) this.add(`${label}: ${quote(value)} is neither a duration (90d) nor a time nor never`)
    else if (time.getTime() <= nowMs) this.add(`${label}: ${quote(value)} is not in the future`)
    return time
  }

  /** A time zone; UTC after a problem. */
  timeZone(label: string, value: string): TimeZone {
    const zone = TimeZone.named(value)
    if (zone === null) this.add(`${label}: ${quote(value)} is not a time zone: ${TIME_ZONE_FORM}`)
    return zone ?? TimeZone.UTC
  }

  choice<T extends string>(label: string, value: string, of: readonly T[]): T | undefined {
    const found = of.find((o) => o === value)
    if (found === undefined)
      this.add(`${label}: ${quote(value)} is not one of ${of.join(', ')}${didYouMean(value, of)}`)
    return found
  }

  /** A key's id, also taken out of a full key; `isWholeKey` tells that the secret was on the command line. */
  keyId(label: string, value: string): { id: string; isWholeKey: boolean } {
    if (/^[0-9a-z]{12}$/.test(value)) return { id: value, isWholeKey: false }
    if (isWellFormedKey(value)) return { id: keyIdOf(value), isWholeKey: true }
    // A mistyped key is still mostly a secret: it is not repeated.
    const shown = KEY_PATTERN.test(value) || value.startsWith('wb_') ? 'the key given' : quote(value)
    this.add(`${label}: ${shown} is neither a key's id (12 of a-z and 0-9) nor a complete key`)
    return { id: '', isWholeKey: false }
  }

  #check(label: string, problem: string | null): void {
    if (problem !== null) this.add(`${label}: ${problem}`)
  }
}

/** The value as it may be shown in a message: bounded, control characters escaped. */
function quote(value: string): string {
  return JSON.stringify(value.slice(0, 80))
}

/** A date or an ISO 8601 time, of `zone` unless it names an offset; null when it is neither. */
function parseTime(text: string, zone = TimeZone.UTC): Date | null {
  const match = /^(\d{4}-\d{2}-\d{2})(T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?)?(Z|[+-]\d{2}:\d{2})?$/.exec(text)
  const [, day = '', clock = 'T00:00', offset] = match ?? []
  const ms = Date.parse(`${day}${clock}${offset ?? 'Z'}`)
  if (match === null || Number.isNaN(ms)) return null
  // `Date.parse` takes 31 February for 3 March.
  if (!new Date(`${day}T00:00Z`).toISOString().startsWith(day)) return null
  return new Date(offset === undefined && zone !== TimeZone.UTC ? zone.momentOf(ms) : ms)
}
