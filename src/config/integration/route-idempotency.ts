import { z } from 'zod'
import { DURATION_FORM } from '../../model/duration.ts'
import {
  REPEATABLE_METHODS,
  WHEN_UNKNOWN,
  type IdempotencyRules,
} from '../../model/idempotency/idempotency-rules.ts'
import type { Route } from '../../model/route.ts'
import { duration, key, size } from '../route-key.ts'
import type { ROUTE_MODES } from './route-deliver.ts'

const MIB = 1024 * 1024
const DAY_MS = 86_400_000
const SIZE_FORM = 'bytes, or such as 64KiB, 1MiB'
/** Bodies are held; and answers are rows of a table. */
const MOST = { request: 32 * MIB, answer: 4 * MIB }
/** A clock that is a little wrong, or a client that is a little slow, shall not meet a key that is over. */
const LEAST_TTL_MS = 1000
const MOST_TTL_MS = 30 * DAY_MS

/** The `idempotency` of a route. */
export const idempotency = z.strictObject({
  methods: key(
    z.array(z.enum(REPEATABLE_METHODS)).min(1).default(['POST', 'PATCH']),
    `a list of ${REPEATABLE_METHODS.join(', ')}`,
    'Requests whose Idempotency-Key is heeded; the field of others is passed on and nothing else',
  ),
  required: key(z.boolean().default(false), 'true or false', 'Whether those without a key are answered 400'),
  ttlMs: key(
    duration(LEAST_TTL_MS, DAY_MS),
    `milliseconds, or ${DURATION_FORM}; 1s to 30d`,
    'How long an answer is kept, from when it came',
  ),
  maxRequestBytes: key(
    size(MIB),
    `${SIZE_FORM}; at most 32MiB`,
    'Longest body of a request with a key, which is held; longer ones are answered 413',
  ),
  maxAnswerBytes: key(
    size(MIB),
    `${SIZE_FORM}; at most 4MiB`,
    'Longest body of an answer that is kept; repetitions of what was answered with more get 409',
  ),
  whenUnknown: key(
    z.enum(WHEN_UNKNOWN).default('refuse'),
    `one of ${WHEN_UNKNOWN.join(', ')}`,
    'While PostgreSQL is away: answer 503, or send the request without protection against repetition',
  ),
})

/** What is wrong with how a route's keys are meant: problems begin with the key's name. */
export function idempotencyProblems(
  route: Pick<Route, 'auth' | 'kind'>,
  mode: (typeof ROUTE_MODES)[number],
  rules: IdempotencyRules | undefined,
): string[] {
  if (rules === undefined) return []
  const problems: string[] = []
  if (route.kind !== 'generic' && route.kind !== 'integration')
    problems.push('idempotency: needs kind: generic or integration')
  if (mode !== 'forward')
    problems.push('idempotency: needs mode: forward; deliver.dedupeBy tells what came before')
  if (route.auth === 'public')
    problems.push('idempotency: needs auth: key or signature, since a public route has no tenant')
  if (rules.ttlMs > MOST_TTL_MS) problems.push('idempotency.ttlMs: must be at most 30d')
  if (rules.maxRequestBytes > MOST.request)
    problems.push('idempotency.maxRequestBytes: must be at most 32MiB, since bodies are held')
  if (rules.maxAnswerBytes > MOST.answer) problems.push('idempotency.maxAnswerBytes: must be at most 4MiB')
  return problems
}
