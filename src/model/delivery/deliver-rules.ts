/** Where a value stands: in a field of the head, or in the body. */
export type ValuePlace =
  | { readonly kind: 'header'; /** Lower case. */ readonly name: string }
  /** Names and indices from the root of JSON, or of a form's fields. */
  | { readonly kind: 'json'; readonly steps: readonly string[] }
  /** The digest of the body. */
  | { readonly kind: 'body' }

/** How a sender's request is taken by a route that accepts. */
export interface AcceptRules {
  /** Media types without parameters, lower case; empty for any. */
  readonly contentTypes: readonly string[]
  /** Places that must have a value. */
  readonly requires: readonly ValuePlace[]
  /** What is answered 200 and not kept: the place has one of the values. Null for none. */
  readonly ignore: { readonly place: ValuePlace; readonly values: readonly string[] } | null
  /** How long a sender is kept waiting while nothing can be kept, milliseconds. */
  readonly patienceMs: number
}

/** How a route's deliveries reach its receiver. */
export interface DeliverRules {
  /** Attempts at once. */
  readonly concurrency: number
  /** What has the same values keeps its order; empty for no order. */
  readonly orderBy: readonly ValuePlace[]
  readonly dedupe: { readonly by: ValuePlace; readonly windowMs: number } | null
  readonly coalesce: { readonly by: readonly ValuePlace[]; readonly windowMs: number } | null
  /** Of one attempt, from its first byte to the answer's head. */
  readonly timeoutMs: number
  readonly retries: { readonly max: number; readonly minMs: number; readonly maxMs: number }
  /** What is not shown of what was sent. */
  readonly mask: readonly ValuePlace[]
  /** Statuses at which nothing is tried again, beside 410. */
  readonly permanent: readonly number[]
  /** So many failures in a row open the breaker, for so long. */
  readonly breaker: { readonly failures: number; readonly openMs: number }
}

/** The rules of a route with `mode: accept`. */
export interface DeliveryRules {
  readonly accept: AcceptRules
  readonly deliver: DeliverRules
}

/** A place as the configuration writes it. */
export function placeText(place: ValuePlace): string {
  if (place.kind === 'header') return `header:${place.name}`
  return place.kind === 'body' ? 'body' : `$.${place.steps.join('.')}`
}
