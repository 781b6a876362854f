import { systemClock, type Clock } from '../../lib/time/clock.ts'
import type { Route } from '../../model/route.ts'
import type { Dispatcher, Interceptor } from '../dispatcher.ts'
import type { Dispatched, ResponseReceiver, UpstreamRequest } from '../request.ts'
import { Challenges } from './challenges.ts'
import type { TokenCounters } from './token-counters.ts'
import { TokenJourney } from './token-journey.ts'
import { TokenStore } from './token-store.ts'

/** What the step needs of its process. */
export interface TokenParts {
  readonly counters: TokenCounters
  readonly clock?: Clock
}

/**
 * Fetches the tokens that upstreams ask for by a Bearer challenge (Distribution, "Token Authentication"), for routes that have
 * `upstreamTokens`. To be the last step: what it sends goes to the upstream and to nobody else.
 */
export function upstreamTokens({ counters, clock = systemClock }: TokenParts): Interceptor {
  return (next, route) => {
    const rules = route.upstreamTokens
    if (rules === null) return next
    const counts = counters.route(route.name)
    const store = new TokenStore({ next, route, rules, clock, counts })
    const challenges = new Challenges(clock)
    return {
      dispatch(request: UpstreamRequest, receiver: ResponseReceiver): Dispatched {
        if (request.standing !== 'upstream' || hasLoginOfClient(route, request.headers))
          return next.dispatch(request, receiver)
        return new TokenJourney({ next, store, challenges, clock }, request, receiver).start()
      },
    } satisfies Dispatcher
  }
}

/** Whether a client logs in at the upstream itself: then what it is answered is its own affair. Never so where the gateway does. */
function hasLoginOfClient({ upstream }: Route, headers: readonly string[]): boolean {
  if (upstream.authorization !== null) return false
  for (let i = 0; i < headers.length; i += 2) {
    if (headers[i]?.toLowerCase() === 'authorization') return true
  }
  return false
}
