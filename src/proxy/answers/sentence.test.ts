import fc from 'fast-check'
import t from 'tap'
import { LIMIT_POLICIES, type LimitPolicy } from '../../model/stats.ts'
import type { Outcome, Reason } from '../../model/outcome.ts'
import { MAX_PHRASE, phraseOf } from './phrase.ts'
import { sentenceOf, type SentenceParts } from './sentence.ts'

const PARTS: SentenceParts = {
  outcome: 'internal',
  reason: null,
  limit: null,
  key: { id: '0a1b2c3d4e5f', expiresAtMs: Date.UTC(2026, 10, 1, 23, 59) },
  scope: 'npm:write',
  route: 'npm',
  place: '',
  denied: null,
  clientIp: '203.0.113.7',
  retryAfterSeconds: 0,
}

function limitOf(policy: LimitPolicy): SentenceParts['limit'] {
  return { policy, quota: 5, windowSeconds: 1, remaining: 0, retryAfterSeconds: 30 }
}

function say(outcome: Outcome, reason: Reason | null, parts: Partial<SentenceParts> = {}): string {
  const policy = LIMIT_POLICIES.find((name) => name === reason)
  const limit = outcome === 'rate_limited' && policy !== undefined ? limitOf(policy) : null
  return sentenceOf({ ...PARTS, limit, outcome, reason, ...parts })
}

/** What a person reads, for each reason. */
const TABLE: readonly (readonly [Outcome, Reason | null, string])[] = [
  ['unauthenticated', 'missing_key', 'This needs a key, and none was sent.'],
  [
    'unauthenticated',
    'malformed_key',
    'The key that was sent is not valid: it is mistyped, or there is none such.',
  ],
  [
    'unauthenticated',
    'unknown_key',
    'The key that was sent is not valid: it is mistyped, or there is none such.',
  ],
  [
    'unauthenticated',
    'auth_throttled',
    'The key that was sent is not valid: it is mistyped, or there is none such.',
  ],
  ['unauthenticated', 'several_credentials', 'Two different keys were sent, so neither counts.'],
  ['unauthenticated', 'expired_key', 'The key 0a1b2c3d4e5f expired on 2026-11-01.'],
  ['unauthenticated', 'revoked_key', 'The key 0a1b2c3d4e5f has been revoked.'],
  ['unauthenticated', 'network', 'The key 0a1b2c3d4e5f may not be used from 203.0.113.7.'],
  ['unauthenticated', 'deleted', 'The tenant of the key 0a1b2c3d4e5f no longer exists.'],
  ['tenant_suspended', 'suspended', 'The tenant of the key 0a1b2c3d4e5f is suspended.'],
  ['forbidden', 'scope', 'This needs the scope npm:write, which the key 0a1b2c3d4e5f does not have.'],
  ['rate_limited', 'tenant_rate', 'The rate limit of the tenant is used up. Retry in 30 s.'],
  ['rate_limited', 'key_rate', 'The rate limit of the key 0a1b2c3d4e5f is used up. Retry in 30 s.'],
  ['rate_limited', 'route_rate', "The tenant's rate limit for the route npm is used up. Retry in 30 s."],
  ['rate_limited', 'tenant_concurrency', 'At most 5 requests of the tenant at once. Retry in 30 s.'],
  [
    'rate_limited',
    'auth_throttled',
    'Too many wrong keys came from this address; valid ones are served. Retry in 30 s.',
  ],
  ['no_route', null, 'Nothing is served at this address: no route has this path and host.'],
  ['method_not_allowed', null, 'This method is not served.'],
  ['body_too_large', null, 'The body is larger than the route npm takes.'],
  ['not_ready', 'no_snapshot', 'Tenants and keys have not been loaded yet. Retry in 1 s.'],
  ['not_ready', null, 'The gateway is not ready. Retry in 1 s.'],
  ['overloaded', 'queue_full', 'Too many requests wait for this upstream. Retry in 1 s.'],
  ['draining', null, 'The gateway is shutting down. Retry in 1 s.'],
  ['upstream_refused', 'connection_refused', 'The upstream of the route npm cannot be reached.'],
  ['upstream_refused', 'tls_expired', 'The certificate of the upstream of the route npm is not valid now.'],
  ['upstream_timeout', 'response_timeout', 'The upstream of the route npm did not answer in time.'],
  ['upstream_reset', 'connection_reset', 'The upstream of the route npm broke off the connection.'],
  ['loop_detected', null, 'The request came back to the gateway that sent it.'],
  ['internal', null, 'The gateway made an error.'],
]

t.test('a refusal says in one sentence what is wrong, and what would help', (t) => {
  for (const [outcome, reason, sentence] of TABLE)
    t.equal(say(outcome, reason), sentence, `${outcome} ${reason}`)
  t.end()
})

t.test(
  'an expiry that is no date, an address that nobody knows and a scope that is there are left out',
  (t) => {
    const key = { id: '0a1b2c3d4e5f', expiresAtMs: -Infinity }
    t.equal(say('unauthenticated', 'expired_key', { key }), 'The key 0a1b2c3d4e5f expired.')
    t.equal(
      say('unauthenticated', 'network', { clientIp: '' }),
      'The key 0a1b2c3d4e5f may not be used from an unknown address.',
    )
    t.equal(say('forbidden', 'scope', { scope: null }), 'The Destination leads out of the route.')
    t.end()
  },
)

t.test(
  'with the longest names and what an operator may add, a reason phrase holds every sentence whole',
  (t) => {
    const longest = {
      key: { id: '0a1b2c3d4e5f', expiresAtMs: 8.64e15 },
      scope: `${'r'.repeat(63)}:write`,
      route: 'r'.repeat(63),
      clientIp: 'ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255',
      retryAfterSeconds: 0,
    }
    for (const [outcome, reason] of TABLE) {
      const limit = say(outcome, reason).includes('Retry')
        ? {
            ...limitOf('tenant_rate'),
            policy: 'tenant_rate' as const,
            quota: 1e9,
            windowSeconds: 1,
            remaining: 0,
            retryAfterSeconds: 1e9,
          }
        : null
      const sentence = say(outcome, reason, { ...longest, limit })
      t.ok(sentence.length + 101 <= MAX_PHRASE, `${sentence.length}: ${sentence}`)
    }
    t.end()
  },
)

t.test('a reason phrase is one line of printable Latin-1, bounded, whatever is in it', (t) => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 600 }), (text) => {
      const phrase = phraseOf(text)
      return phrase.length <= MAX_PHRASE && /^[\x20-\x7e\xa0-\xff]*$/.test(phrase)
    }),
  )
  t.equal(phraseOf('a\r\nX: y\u0000\u2028é'), 'a??X: y??é')
  t.end()
})
