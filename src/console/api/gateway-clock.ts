/** `Date` of an answer has no part of a second (RFC 9110 §5.6.7). */
const GRAIN_MS = 1000

/** The gateway's clock minus the browser's. */
let aheadMs = 0

/**
 * Learns from an answer what time it is at the gateway: its `Date`, and the browser's clock when it was asked and when the answer came.
 * What was known stands while it agrees with the answer; so a slow answer spoils nothing.
 */
export function noteGatewayTime(date: string | null, askedMs: number, answeredMs: number): void {
  const atMs = Date.parse(date ?? '')
  if (Number.isNaN(atMs)) return
  // It was written between the two, at some moment of its second.
  const least = atMs - answeredMs
  const most = atMs + GRAIN_MS - askedMs
  if (most >= least) aheadMs = Math.min(most, Math.max(least, aheadMs))
}

/** Now, by the gateway's clock: a browser whose clock is wrong sees the same windows as any other. */
export function gatewayNow(): Date {
  return new Date(Date.now() + aheadMs)
}
