/**
 * Exponential back-off with full jitter over the upper half (so never near zero): attempt 0 waits about `minMs`, each
 * further one twice as long, never over `maxMs`. Source: "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
 * `random` returns [0, 1).
 */
export function backoffMs(attempt: number, minMs: number, maxMs: number, random: () => number): number {
  const ceiling = Math.min(maxMs, minMs * 2 ** Math.min(attempt, 30))
  return Math.ceil(ceiling * (0.5 + random() / 2))
}
