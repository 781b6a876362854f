import type { Options } from '../../config/options.ts'
import { Limiter, type LimitPeers } from '../../limits/limiter.ts'

/** The limits of a process, as its options say. */
export function openLimiter(options: Options, peers: LimitPeers | null): Limiter {
  const perMinute = options['auth.failuresPerMinute']
  const burst = options['auth.failuresBurst']
  const maxSources = options['auth.maxSources']
  return new Limiter({
    idleBucketMs: options['limits.idleBucketMs'],
    peers,
    maxHeld: options['limits.maxHeld'],
    failures: perMinute === 0 ? null : { perMinute, burst, maxSources },
  })
}
