import { readRateLimit } from '../../http/rate-limit-fields.ts'
import { isFollowed, type FollowRules } from '../../model/upstream/follow-rules.ts'
import { isUpstreamOrigin } from '../../model/upstream/upstream-place.ts'
import type { Dispatcher, Interceptor } from '../dispatcher.ts'
import { RedirectError, UpstreamAuthError } from '../failure.ts'
import { Journey } from '../journey.ts'
import type { Dispatched, ResponseReceiver, UpstreamRequest } from '../request.ts'
import { redirectTarget, requestAt, settledFields } from './redirect-target.ts'

/** Follows redirects of routes that say to which hosts. */
export const followRedirects: Interceptor = (next, { followRedirects: rules }) => {
  if (rules === null) return next
  return {
    dispatch(request: UpstreamRequest, receiver: ResponseReceiver): Dispatched {
      const isFollowable = (request.method === 'GET' || request.method === 'HEAD') && request.body === null
      return isFollowable
        ? new RedirectJourney(next, rules, request, receiver).start()
        : next.dispatch(request, receiver)
    },
  }
}

/** One request and the redirects that it met; at the next host it is a stranger. Its receiver hears of the last answer alone. */
class RedirectJourney extends Journey {
  readonly #rules: FollowRules
  #request: UpstreamRequest
  #visited: Set<string> | null = null
  #hops = 0

  constructor(next: Dispatcher, rules: FollowRules, request: UpstreamRequest, receiver: ResponseReceiver) {
    super(next, receiver)
    this.#rules = rules
    this.#request = request
  }

  start(): Dispatched {
    this.send(this.#request)
    return this
  }

  protected onAnswer(status: number, fields: string[], statusText: string): void {
    if (status < 200) {
      if (this.#hops === 0) this.receiver.onHeaders(status, fields, statusText)
      return
    }
    const url = redirectTarget(status, fields, this.#request)
    if (url === null || !isFollowed(this.#rules, url)) {
      this.#settle(status, fields, statusText, url)
      return
    }
    this.#visited ??= new Set([this.#request.origin + this.#request.path])
    const place = url.origin + url.pathname + url.search
    if (this.#hops >= this.#rules.maxHops || this.#visited.has(place)) {
      this.fail(new RedirectError(this.#visited.has(place) ? 'go round in a circle' : 'are too many'))
      return
    }
    this.#visited.add(place)
    this.passOver(() => this.#goTo(url))
    const { notes } = this.#request
    const limit = notes === null ? '' : readRateLimit(fields, status, notes.timeAt(performance.now()))
    if (notes !== null && limit !== '') notes.upstreamLimit = limit
  }

  #settle(status: number, fields: string[], statusText: string, url: URL | null): void {
    if (this.#hops > 0 && status === 401) {
      this.fail(new UpstreamAuthError())
      return
    }
    const { route, origin } = this.#request
    const isElsewhere = url !== null && url.origin !== origin && !isUpstreamOrigin(route, url.origin)
    if (
      isElsewhere &&
      this.#rules.others === 'refuse' &&
      !route.files.some((one) => one.origin === url.origin)
    ) {
      this.fail(new RedirectError('lead to a host that is not listed'))
      return
    }
    this.receiver.onHeaders(
      status,
      this.#hops === 0 ? fields : settledFields(fields, this.#request),
      statusText,
    )
  }

  #goTo(url: URL): void {
    this.#hops++
    this.#request = requestAt(url, this.#request)
    if (this.#request.notes !== null) this.#request.notes.upstream = url.host
    this.send(this.#request)
  }
}
