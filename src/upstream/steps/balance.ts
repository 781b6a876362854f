import type { Route } from '../../model/route.ts'
import type { Dispatcher } from '../dispatcher.ts'
import { RequestGoneError } from '../failure.ts'
import { hostOf } from '../../model/upstream/upstream-place.ts'
import { Journey } from '../journey.ts'
import { isShared, type UpstreamPools } from '../pools.ts'
import type { Dispatched, ResponseReceiver, UpstreamRequest } from '../request.ts'

/** The connections of a route, and before them the choice of an address where its upstream has several. */
export function balanced(pools: UpstreamPools, route: Route): Dispatcher {
  if (!isShared(route)) return pools
  return {
    dispatch(request: UpstreamRequest, receiver: ResponseReceiver): Dispatched {
      // Hosts of files, stores of blobs and token servers have an address of their own.
      const isForUpstream = request.standing === 'upstream' && request.origin === route.upstream.origin
      return isForUpstream
        ? new BalancedRequest(pools, request, receiver).start()
        : pools.dispatch(request, receiver)
    },
  }
}

/**
 * One request to one of several addresses; to another one, and at most once to each, when no connection could be made: nothing of it
 * was sent, and its body was not asked for.
 */
class BalancedRequest extends Journey {
  readonly #pools: UpstreamPools
  readonly #request: UpstreamRequest
  readonly #tried = new Set<string>()

  constructor(pools: UpstreamPools, request: UpstreamRequest, receiver: ResponseReceiver) {
    super(pools, receiver)
    this.#pools = pools
    this.#request = request
  }

  start(): Dispatched {
    this.#sendTo(null)
    return this
  }

  protected onAnswer(status: number, fields: string[], statusText: string): void {
    this.receiver.onHeaders(status, fields, statusText)
  }

  override onError(error: NodeJS.ErrnoException, isUnheard: boolean): void {
    if (this.isOver) return
    if (this.hasConnected || error instanceof RequestGoneError) super.onError(error, isUnheard)
    else this.#sendTo(error)
  }

  /** `before`: why the last address was not reached; null for the first. */
  #sendTo(before: NodeJS.ErrnoException | null): void {
    const tick = before === null ? this.#request.tick : performance.now()
    const request = { ...this.#request, tick }
    const origin = this.#pools.originFor(request, this.#tried)
    if (origin instanceof Error) {
      super.onError(before ?? origin, false)
      return
    }
    this.#tried.add(origin)
    if (request.notes !== null) request.notes.upstream = hostOf(origin)
    this.send({ ...request, origin })
  }
}
