/**
 * A time of day and, behind it, its zone: `09:33:20 GMT` (RFC 9110 §5.6.7), `09:33:20Z`, `09:33+01:00` (RFC 3339), `09:33:20 +0100` (RFC 5322).
 */
const ZONED = /\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)? ?(?:GMT|UTC|Z|[+-]\d\d:?\d\d)$/i
/** A date takes 29 characters, or 33 where the day of the week is written out. */
const MAX_CHARS = 40

/** Epoch milliseconds of a date that says of which zone it is; null for all else: it would be another time on a machine of another zone. */
export function zonedDateMs(text: string): number | null {
  const date = text.trim()
  if (date.length > MAX_CHARS || !ZONED.test(date)) return null
  const ms = Date.parse(date)
  return Number.isNaN(ms) ? null : ms
}
