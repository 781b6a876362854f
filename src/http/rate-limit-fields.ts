import { zonedDateMs } from '../lib/time/zoned-date.ts'

/** What a server says of the rate at which it may be asked; null for what it does not say. */
interface RateLimitFacts {
  limit: number | null
  remaining: number | null
  /** Epoch seconds at which `remaining` is full again. */
  reset: number | null
  /** Seconds in which so many as `limit` may come. */
  window: number | null
  /** Seconds after which to come again. */
  retry: number | null
}

const NAME = /^(?:retry-after|(?:x-)?rate-?limit(?:-(?:limit|remaining|reset|policy))?)$/i
/** Lengths of those names. */
const LENGTHS = new Uint8Array(32)
for (const length of [9, 10, 11, 12, 15, 16, 17, 18, 19, 20, 21, 22]) LENGTHS[length] = 1
const R = 0x72
const X = 0x78
/** Beyond this a number is no count of seconds from now, but the time itself: 2001 in epoch seconds, 1970 in milliseconds. */
const MIN_EPOCH_SECONDS = 1e9
const MIN_EPOCH_MS = 1e11

/** Whether a response's field says something of a rate limit. Called for each field: most are told by length and first letter. */
export function isRateLimitField(name: string): boolean {
  if (name.length >= LENGTHS.length || LENGTHS[name.length] === 0) return false
  const first = name.charCodeAt(0) | 0x20
  return (first === R || first === X) && NAME.test(name)
}

/**
 * What a response's fields (name, value, …) say of the server's own rate limit: `limit=100;remaining=42;reset=1732700000;window=21600;retry=30`,
 * each part only if it was said, whole numbers of at most 15 digits; '' for nothing. `reset` is epoch seconds; `window` and `retry` are
 * seconds. `retry` only with 429 and 503. Understood are `RateLimit` and `RateLimit-Policy` of any draft
 * (draft-ietf-httpapi-ratelimit-headers 0 to 10), `RateLimit-Limit`, `-Remaining`, `-Reset` with and without `X-`, `;w=` behind a number,
 * and `Retry-After` (RFC 9110 §10.2.3). What is not understood is passed over.
 */
export function readRateLimit(fields: readonly string[], status: number, nowMs: number): string {
  const facts: RateLimitFacts = { limit: null, remaining: null, reset: null, window: null, retry: null }
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i] ?? ''
    if (isRateLimitField(name)) readField(facts, name, (fields[i + 1] ?? '').slice(0, 256), nowMs)
  }
  if (status !== 429 && status !== 503) facts.retry = null
  let text = ''
  for (const key of ['limit', 'remaining', 'reset', 'window', 'retry'] as const) {
    const value = facts[key]
    if (value !== null) text += `${text === '' ? '' : ';'}${key}=${value}`
  }
  return text
}

function readField(facts: RateLimitFacts, name: string, value: string, nowMs: number): void {
  switch (name.toLowerCase().replace(/^x-/, '').replace('rate-limit', 'ratelimit')) {
    case 'ratelimit-limit':
      facts.limit ??= leading(value)
      facts.window ??= parameter(value, 'w')
      break
    case 'ratelimit-remaining':
      facts.remaining ??= leading(value)
      facts.window ??= parameter(value, 'w')
      break
    case 'ratelimit-reset':
      facts.reset ??= moment(value, nowMs)
      break
    case 'ratelimit-policy':
      facts.limit ??= parameter(value, 'q') ?? leading(value)
      facts.window ??= parameter(value, 'w')
      break
    case 'ratelimit':
      facts.limit ??= parameter(value, 'limit')
      facts.remaining ??= parameter(value, 'remaining') ?? parameter(value, 'r')
      facts.reset ??= after(parameter(value, 'reset') ?? parameter(value, 't'), nowMs)
      break
    case 'retry-after':
      facts.retry ??= retryAfterSeconds(value, nowMs)
      break
  }
}

/** Milliseconds that the fields' `Retry-After` asks for, as seconds or as a date with its zone (RFC 9110 §10.2.3); null for none. */
export function retryAfterMs(fields: readonly string[], nowMs: number): number | null {
  for (let i = 0; i < fields.length; i += 2) {
    if (fields[i]?.toLowerCase() !== 'retry-after') continue
    const seconds = retryAfterSeconds(fields[i + 1] ?? '', nowMs)
    return seconds === null ? null : seconds * 1000
  }
  return null
}

function retryAfterSeconds(value: string, nowMs: number): number | null {
  const at = leading(value) === null ? moment(value, nowMs) : null
  return at === null ? leading(value) : Math.max(0, at - Math.ceil(nowMs / 1000))
}

/** The whole number that a value begins with. */
function leading(value: string): number | null {
  const digits = /^\s*(\d{1,15})(?:\.\d*)?\s*(?:$|[,;])/.exec(value)?.[1]
  return digits === undefined ? null : Number(digits)
}

/** `name=7` within a value. */
function parameter(value: string, name: string): number | null {
  for (const part of value.split(/[,;]/)) {
    const [key = '', number = ''] = part.split('=', 2)
    if (key.trim().toLowerCase() === name && /^\s*\d{1,15}\s*$/.test(number)) return Number(number)
  }
  return null
}

/** Epoch seconds of a time that is given as such, in milliseconds, in seconds from now, or as a date with its zone. */
function moment(value: string, nowMs: number): number | null {
  const number = leading(value)
  if (number === null) {
    const ms = zonedDateMs(value)
    return ms === null || ms <= 0 ? null : Math.round(ms / 1000)
  }
  if (number >= MIN_EPOCH_MS) return Math.round(number / 1000)
  return number >= MIN_EPOCH_SECONDS ? number : after(number, nowMs)
}

function after(seconds: number | null, nowMs: number): number | null {
  return seconds === null ? null : Math.round(nowMs / 1000) + seconds
}
