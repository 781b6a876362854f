import { bytes, integer, milliseconds } from './option-rows.ts'

const DAY_MS = 86_400_000
const GIB = 1024 ** 3

/** How connections to upstreams are kept and shared, and names resolved. */
export const UPSTREAM_OPTIONS = {
  'upstreams.maxAgeMs': milliseconds(
    60_000,
    100,
    DAY_MS,
    'A kept connection to an upstream takes no further request after this, less up to a fifth at random',
  ),
  'upstreams.restMs': milliseconds(
    200,
    0,
    60_000,
    'A connection that one tenant had rests for this long before another gets it; meanwhile that one gets another',
  ),
  'upstreams.slowAfterMs': milliseconds(
    5000,
    100,
    3_600_000,
    'While others wait, a transfer of a tenant that has more than its share of connections ends when it was too slow for this long',
  ),
  'upstreams.slowBytesPerSecond': bytes(
    16_384,
    0,
    GIB,
    'Transfers below this rate per second are too slow there; 0 ends none',
  ),
  'dns.cacheMs': milliseconds(
    5000,
    0,
    3_600_000,
    'A resolved name is used for this long; then it is looked up anew, and used on if that fails',
  ),
  'dns.staleMs': milliseconds(
    3_600_000,
    0,
    DAY_MS,
    'A resolved name is used at most this long while no look-up succeeds',
  ),
  'dns.timeoutMs': milliseconds(
    5000,
    10,
    600_000,
    'Longest wait for the look-up of a name that is not known',
  ),
  'dns.maxLookups': integer(
    2,
    1,
    2,
    'Look-ups under way at once, one per name; each blocks one of four threads that files need too',
  ),
} as const
