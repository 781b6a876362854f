import { z } from 'zod'
import { DURATION_FORM } from '../../model/duration.ts'
import { FAILURE_KINDS } from '../../model/upstream/health-rules.ts'
import { duration, key } from '../route-key.ts'

const FAILS_ON_FORM = `a list of ${FAILURE_KINDS.join(', ')}, 5xx, or statuses 429 and 500 to 599`
const TIME = (least: number): string => `milliseconds, or ${DURATION_FORM}; at least ${least}`

const STATUS = z.custom<number>(
  (value) => typeof value === 'number' && Number.isInteger(value) && value >= 500 && value <= 599,
)

const failsOn = z
  .array(
    z.union(
      [z.enum(FAILURE_KINDS), z.literal('5xx'), z.literal(429), STATUS],
      `must be one of ${FAILURE_KINDS.join(', ')}, 5xx, 429, or 500 to 599`,
    ),
  )
  .min(1)
  .max(32)

/** The `breaker` of a route. */
export const breaker = z.strictObject({
  enabled: key(z.boolean().default(true), 'true or false', 'Whether there is one'),
  failsOn: key(
    failsOn.default(['connect']),
    FAILS_ON_FORM,
    'What counts as a failure: no connection, one that broke, no answer in time, a status',
  ),
  failureShare: key(
    z.number().positive().max(1).default(0.5),
    'a number above 0, up to 1',
    'It opens when so large a part of the requests in the window has failed',
  ),
  minAttempts: key(
    z.int().min(1).max(1_000_000).default(20),
    'a whole number from 1 to 1000000',
    'Fewer requests in the window open nothing',
  ),
  windowMs: key(duration(100, 10_000), TIME(100), 'How far back requests count'),
  openMs: key(
    duration(100, 1000),
    TIME(100),
    'How long it stays open; twice as long after each trial that fails',
  ),
  maxOpenMs: key(duration(100, 30_000), TIME(100), 'Longest that it stays open'),
})

/** The `ejection` of a route. */
export const ejection = z.strictObject({
  enabled: key(z.boolean().default(true), 'true or false', 'Whether addresses are left out'),
  failures: key(
    z.int().min(1).max(1000).default(5),
    'a whole number from 1 to 1000',
    'So many failures in a row, and an address is left out; never more than half of them are',
  ),
  failsOn: key(
    failsOn.default(['connect', 'reset', 'timeout', 502, 503, 504]),
    FAILS_ON_FORM,
    'What counts as a failure',
  ),
  minMs: key(
    duration(100, 10_000),
    TIME(100),
    'How long at first; twice as long each time that it comes again',
  ),
  maxMs: key(duration(100, 300_000), TIME(100), 'Longest that an address is left out'),
})

/** The `healthCheck` of a route. */
export const healthCheck = z.strictObject({
  path: key(
    z
      .string()
      .max(2048)
      .regex(/^\/[!-~]*$/, 'must begin with / and hold printable ASCII without blanks'),
    'a path at the upstream such as /healthz, with its query',
    'What each address is asked for; a status below 400 is well',
    'required',
  ),
  intervalMs: key(duration(100, 10_000), TIME(100), 'From one answer to the next question'),
  timeoutMs: key(duration(10, 2000), TIME(10), 'Longest wait for the whole answer'),
  unhealthyAfter: key(
    z.int().min(1).max(100).default(3),
    'a whole number from 1 to 100',
    'So many failures in a row, and an address gets no requests while others are well',
  ),
  healthyAfter: key(
    z.int().min(1).max(100).default(2),
    'a whole number from 1 to 100',
    'So many good answers in a row, and it gets them again',
  ),
})

/** The `retries` of a route. */
export const retries = z.strictObject({
  max: key(
    z.int().min(1).max(5).default(2),
    'a whole number from 1 to 5',
    'Times that one request is sent again',
  ),
  on: key(
    failsOn
      .refine((names) => !names.includes('timeout'), 'must not hold timeout: by then the time is over')
      .default(['connect', 'reset', 502, 503, 504]),
    'a list of connect, reset, 5xx, or statuses 429 and 500 to 599',
    'What it is sent again after',
  ),
  methods: key(
    z
      .array(z.enum(['PUT', 'DELETE']))
      .max(2)
      .default([]),
    'a list of PUT, DELETE',
    'Methods that are sent again besides GET, HEAD and OPTIONS',
  ),
  budgetShare: key(
    z.number().min(0).max(1).default(0.2),
    'a number from 0 to 1',
    'So large a part of the requests of the last 10 s may be sent again',
  ),
  budgetPerSecond: key(
    z.number().min(0).max(1000).default(1),
    'a number from 0 to 1000',
    'And so many a second, however few these are',
  ),
  minMs: key(duration(1, 25), TIME(1), 'Wait before the first time'),
  maxMs: key(duration(1, 250), TIME(1), 'Longest wait; it doubles'),
})

/** Keys of a route that say when its upstream addresses are left alone. */
export const HEALTH_KEYS = {
  breaker: key(
    breaker.optional(),
    'an object with the keys below',
    'Leaves an upstream address alone that fails: 503 at once, and one request now and then as a trial',
    'as the keys below say',
  ),
  ejection: key(
    ejection.optional(),
    'an object with the keys below',
    'Leaves out one of several upstream addresses that fails',
    'as the keys below say',
  ),
  healthCheck: key(
    healthCheck.optional(),
    'an object with the keys below',
    'Asks each upstream address now and then whether it is well',
    'none is asked',
  ),
  retries: key(
    retries.optional(),
    'an object with the keys below',
    'Sends requests again that change nothing and failed; never a body that streams',
    'nothing is sent again',
  ),
}

interface HealthKeys {
  readonly breaker?: z.infer<typeof breaker> | undefined
  readonly ejection?: z.infer<typeof ejection> | undefined
  readonly healthCheck?: z.infer<typeof healthCheck> | undefined
  readonly retries?: z.infer<typeof retries> | undefined
}

/** What the keys say, complete; what is turned off, or not asked for, is null. */
export function healthRules({
  breaker: broken,
  ejection: ejected,
  healthCheck: checked,
  retries: again,
}: HealthKeys) {
  const { enabled: breaks, ...breakerRules } = broken ?? breaker.parse({})
  const { enabled: ejects, ...ejectionRules } = ejected ?? ejection.parse({})
  return {
    breaker: breaks ? breakerRules : null,
    ejection: ejects ? ejectionRules : null,
    healthCheck: checked ?? null,
    retries: again ?? null,
  }
}

/** What does not fit together; each begins with the key's name. */
export function healthProblems(rules: ReturnType<typeof healthRules>, origin: string): string[] {
  const problems: string[] = []
  if (rules.breaker !== null && rules.breaker.maxOpenMs < rules.breaker.openMs)
    problems.push('breaker.maxOpenMs: must be at least openMs')
  if (rules.ejection !== null && rules.ejection.maxMs < rules.ejection.minMs)
    problems.push('ejection.maxMs: must be at least minMs')
  if (rules.retries !== null && rules.retries.maxMs < rules.retries.minMs)
    problems.push('retries.maxMs: must be at least minMs')
  if (rules.healthCheck !== null && origin.includes('{tenant}'))
    problems.push('healthCheck: needs an upstream without {tenant} in its host')
  return problems
}
