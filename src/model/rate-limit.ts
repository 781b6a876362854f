import type { RateLimit } from './route.ts'

/** What a rate must look like, for messages and help. */
export const RATE_FORM = '<perSecond>[:<burst>] such as 50 or 2.5:100, or none'

/** A rate in the form in which it is typed: `50:100`; `none` for null. */
export function rateText(rate: RateLimit | null): string {
  return rate === null ? 'none' : `${rate.perSecond}:${rate.burst}`
}

/** A rate of two columns, which hold both numbers or none. */
export function rateOf(perSecond: number | null, burst: number | null): RateLimit | null {
  return perSecond === null || burst === null ? null : { perSecond, burst }
}

export function isSameRate(a: RateLimit | null, b: RateLimit | null): boolean {
  return a?.perSecond === b?.perSecond && a?.burst === b?.burst
}
