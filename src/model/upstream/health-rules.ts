/** Ways in which an attempt fails without an answer: not connected, the connection broken, no answer in time. */
export const FAILURE_KINDS = ['connect', 'reset', 'timeout'] as const

export type FailureKind = (typeof FAILURE_KINDS)[number]

/** What counts as a failure: a way to fail, a status of the answer, or all statuses from 500 on. */
export type FailureName = FailureKind | '5xx' | number

/** When attempts at a server are given up for a while: see CircuitBreaker. */
export interface BreakerRules {
  /** It opens when so large a part of the attempts in the window has failed: above 0, up to 1. */
  readonly failureShare: number
  /** With fewer attempts in the window it does not open. */
  readonly minAttempts: number
  readonly windowMs: number
  /** How long it is open at first; twice as long after each trial that fails, up to the other. */
  readonly openMs: number
  readonly maxOpenMs: number
  /** Only failures since the last success count, however many attempts were before. */
  readonly isInARow?: boolean
  /** A trial of which nothing was heard for so long makes room for another; as long as it was open last unless told. */
  readonly trialMs?: number
}

/** The breaker of each of a route's upstream addresses. */
export interface RouteBreaker extends BreakerRules {
  readonly failsOn: readonly FailureName[]
}

/** When one of several addresses gets no requests for a while. */
export interface EjectionRules {
  /** So many failures in a row. */
  readonly failures: number
  readonly failsOn: readonly FailureName[]
  /** For how long at first; twice as long each time that it fails again soon after, up to the other. */
  readonly minMs: number
  readonly maxMs: number
}

/** How a route's upstream addresses are asked whether they are well. */
export interface CheckRules {
  /** Path at the upstream, with its query. A status below 400 is well. */
  readonly path: string
  readonly intervalMs: number
  readonly timeoutMs: number
  /** So many in a row make an address unhealthy, and healthy again. */
  readonly unhealthyAfter: number
  readonly healthyAfter: number
}

/** When requests of a route are sent again. */
export interface RetryRules {
  /** Times at most that one request is sent again. */
  readonly max: number
  /** What they are sent again after. */
  readonly on: readonly FailureName[]
  /** Besides GET, HEAD and OPTIONS. */
  readonly methods: readonly ('PUT' | 'DELETE')[]
  /** So large a part of the requests of the last while may be sent again, and so many a second however few they are. */
  readonly budgetShare: number
  readonly budgetPerSecond: number
  /** The waits before: the first, and the longest. */
  readonly minMs: number
  readonly maxMs: number
}

/** How one upstream address is, the worst first: see docs/upstreams.md. */
export const ADDRESS_STATES = ['open', 'half_open', 'ejected', 'unhealthy', 'serving'] as const

export type AddressState = (typeof ADDRESS_STATES)[number]
