const MINUTE_MS = 60_000
const DAY_MS = 86_400_000
/** No offset is larger, to either side. */
const MAX_OFFSET_MS = 26 * 3_600_000
/** A name of the IANA database. Offsets (`+13:00`), which only some versions of Node take, have no rules: they are no zones. */
const NAME = /^[A-Za-z][A-Za-z0-9_+/-]{0,63}$/

/** What a time zone must look like, for messages and help. */
export const TIME_ZONE_FORM = 'a name of the IANA time zone database such as Pacific/Auckland or UTC'

/**
 * The days of a time zone, from the rules that Node brings along: neither the process's `TZ` nor the database's `TimeZone` has a
 * say. A wall clock is written as the epoch milliseconds at which a clock of UTC would show the same.
 */
export class TimeZone {
  readonly name: string
  readonly #format: Intl.DateTimeFormat

  private constructor(name: string) {
    this.#format = new Intl.DateTimeFormat('en-US-u-ca-gregory-nu-latn', {
      timeZone: name,
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
    })
    this.name = this.#format.resolvedOptions().timeZone
  }

  static readonly UTC = new TimeZone('UTC')

  /** Null for what is no zone. */
  static named(name: string): TimeZone | null {
    if (!NAME.test(name)) return null
    try {
      return new TimeZone(name)
    } catch {
      return null
    }
  }

  /** What a clock on the wall shows at the moment, to the minute. */
  wallAt(ms: number): number {
    const parts = new Map(this.#format.formatToParts(ms).map(({ type, value }) => [type, Number(value)]))
    const part = (type: Intl.DateTimeFormatPartTypes): number => parts.get(type) ?? Number.NaN
    return Date.UTC(part('year'), part('month') - 1, part('day'), part('hour'), part('minute'))
  }

  /** The first moment at which the clock shows this or later: of a time that a change of clocks leaves out, the change. */
  momentOf(wallMs: number): number {
    const wall = Math.floor(wallMs / MINUTE_MS) * MINUTE_MS
    let [before, found] = [wall - MAX_OFFSET_MS, wall + MAX_OFFSET_MS]
    while (found - before > MINUTE_MS) {
      const middle = before + Math.floor((found - before) / MINUTE_MS / 2) * MINUTE_MS
      if (this.wallAt(middle) >= wall) found = middle
      else before = middle
    }
    return found + (wallMs - wall)
  }

  /** The day, 'YYYY-MM-DD'. */
  dayOf(ms: number): string {
    return new Date(this.wallAt(ms)).toISOString().slice(0, 10)
  }

  /** When the day of the moment began. */
  startOfDay(ms: number): number {
    return this.momentOf(Math.floor(this.wallAt(ms) / DAY_MS) * DAY_MS)
  }

  /** When the day after that of the moment begins, or the one after that where a zone left a day out. */
  endOfDay(ms: number): number {
    let wall = Math.floor(this.wallAt(ms) / DAY_MS) * DAY_MS
    let end = ms
    while (end <= ms) end = this.momentOf((wall += DAY_MS))
    return end
  }
}
