/** In which zone moments are shown. */
export type Zone = 'utc' | 'local'

interface Parts {
  readonly date: string
  readonly time: string
  /** Three digits. */
  readonly ms: string
}

function partsOf(at: Date, zone: Zone): Parts {
  // A moment as if its local time were UTC, so that one way of writing serves both.
  const shown = zone === 'utc' ? at : new Date(at.getTime() - at.getTimezoneOffset() * 60_000)
  const text = shown.toISOString()
  return { date: text.slice(0, 10), time: text.slice(11, 19), ms: text.slice(20, 23) }
}

/** `2026-11-21 08:00:00`, in the zone. */
export function moment(at: Date, zone: Zone): string {
  const { date, time } = partsOf(at, zone)
  return `${date} ${time}`
}

/** `2026-11-21 08:00:00.123 UTC`, in the zone, which it names. */
export function exactMoment(at: Date, zone: Zone): string {
  const { date, time, ms } = partsOf(at, zone)
  return `${date} ${time}.${ms} ${zoneName(at, zone)}`
}

/** Date and time apart, for two columns. */
export function dateAndTime(at: Date, zone: Zone): readonly [date: string, time: string] {
  const { date, time, ms } = partsOf(at, zone)
  return [date, `${time}.${ms}`]
}

/** `08:00:00.123`, in the zone. */
export function exactTime(at: Date, zone: Zone): string {
  return dateAndTime(at, zone)[1]
}

/** `UTC`, or the offset of the local zone at that moment: `UTC+01:00`. */
export function zoneName(at: Date, zone: Zone): string {
  if (zone === 'utc') return 'UTC'
  const minutes = -at.getTimezoneOffset()
  const sign = minutes < 0 ? '-' : '+'
  const two = (n: number): string => String(Math.trunc(Math.abs(n))).padStart(2, '0')
  return `UTC${sign}${two(minutes / 60)}:${two(minutes % 60)}`
}

const STEPS = [
  [1, 'second'],
  [60, 'minute'],
  [3600, 'hour'],
  [86_400, 'day'],
] as const

/** How long ago, or in how long, in words; `now` is when it is asked. */
export function relative(at: Date, now: Date): string {
  const seconds = Math.round((at.getTime() - now.getTime()) / 1000)
  const far = Math.abs(seconds)
  if (far < 2) return 'just now'
  const [size, unit] = STEPS.findLast(([from]) => far >= from) ?? STEPS[0]
  const n = Math.floor(far / size)
  const text = `${n} ${unit}${n === 1 ? '' : 's'}`
  return seconds < 0 ? `${text} ago` : `in ${text}`
}

/** A moment as the field of a form for a date and a time takes it, in the zone. */
export function toField(at: Date, zone: Zone): string {
  const { date, time } = partsOf(at, zone)
  return `${date}T${time}`
}

/** The moment that such a field holds; null for none. */
export function fromField(text: string, zone: Zone): Date | null {
  const at = new Date(zone === 'utc' ? `${text}Z` : text)
  return text === '' || Number.isNaN(at.getTime()) ? null : at
}
