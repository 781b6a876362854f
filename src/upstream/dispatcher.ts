import type { Route } from '../model/route.ts'
import type { Dispatched, ResponseReceiver, UpstreamRequest } from './request.ts'

/** What has a request answered: an upstream, or a step before it. */
export interface Dispatcher {
  /**
   * Sends a request, at once or when a connection is free. The receiver is told all that becomes of it, also that it cannot be sent,
   * and may be told before this returns. Throws only for a fault of the configuration.
   */
  dispatch(request: UpstreamRequest, receiver: ResponseReceiver): Dispatched
}

/**
 * Puts a step before a route's upstream; returns `next` itself for a route that it leaves alone. Called once for each route of a
 * configuration, not for each request.
 *
 * A step that changes requests gives `next` others than it gets; one that changes responses gives `next` a receiver of its own, and
 * one that answers by itself asks no `next`. What it tells its receiver has to be as `ResponseReceiver` says, with a `ResponseSource`
 * of its own wherever the bytes are its own.
 */
export type Interceptor = (next: Dispatcher, route: Route) => Dispatcher
