const UNIT_MS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 } as const

/** Parses `250ms`, `90s`, `15m`, `12h`, `90d`, `2w` into milliseconds; null when it is none of these or beyond 100 years. */
export function parseDurationMs(text: string): number | null {
  const match = /^(\d{1,12})(ms|s|m|h|d|w)$/.exec(text)
  if (match === null) return null
  const ms = Number(match[1]) * UNIT_MS[match[2] as keyof typeof UNIT_MS]
  return ms <= 100 * 365 * UNIT_MS.d ? ms : null
}

/** What a duration must look like, for messages. */
export const DURATION_FORM = 'a number and a unit: 250ms, 90s, 15m, 12h, 90d or 2w'
