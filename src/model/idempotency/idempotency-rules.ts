/** Methods that a route can make safe to repeat. Those of RFC 9110 §9.2.1 are already. */
export const REPEATABLE_METHODS = ['POST', 'PATCH', 'PUT', 'DELETE'] as const

export type RepeatableMethod = (typeof REPEATABLE_METHODS)[number]

/** What becomes of a request with a key while nobody can tell whether the key was used: refused, or sent without protection. */
export const WHEN_UNKNOWN = ['refuse', 'forward'] as const

/** How a route treats requests with an Idempotency-Key (draft-ietf-httpapi-idempotency-key-header-07). */
export interface IdempotencyRules {
  /** Whose keys count; the field of other requests is passed on and nothing else. */
  readonly methods: readonly RepeatableMethod[]
  /** Requests of these methods without a key are refused. */
  readonly required: boolean
  /** How long an answer is kept, from when it came. */
  readonly ttlMs: number
  /** Longest body of a request with a key: it is held until its key is claimed. */
  readonly maxRequestBytes: number
  /** Longest body that is kept of an answer. */
  readonly maxAnswerBytes: number
  readonly whenUnknown: (typeof WHEN_UNKNOWN)[number]
}
