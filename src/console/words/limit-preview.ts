/** Requests of a minute, which is counted from 1970. */
export interface Minute {
  readonly minute: number
  readonly requests: number
}

/**
 * How many of these requests a limit would have refused at least: as if those of a minute had come at the pace that the limit likes best.
 * What came at once within a minute may have been refused beyond.
 */
export function refusedAtLeast(
  minutes: readonly Minute[],
  { perSecond, burst }: { readonly perSecond: number; readonly burst: number },
): number {
  const perMinute = perSecond * 60
  let tokens = burst
  let at = minutes[0]?.minute ?? 0
  let refused = 0
  for (const { minute, requests } of minutes) {
    tokens = Math.min(burst, tokens + Math.max(0, minute - at) * perMinute)
    const room = tokens + perMinute
    const passed = Math.min(requests, Math.floor(room))
    refused += requests - passed
    tokens = Math.min(burst, room - passed)
    at = minute + 1
  }
  return refused
}
