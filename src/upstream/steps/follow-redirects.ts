import { readRateLimit } from '../../http/rate-limit-fields.ts'
import { isFollowed, type FollowRules } from '../../model/upstream/follow-rules.ts'
import type { Dispatcher, Interceptor } from '../dispatcher.ts'
import { RedirectError, RequestGoneError, UpstreamAuthError } from '../failure.ts'
import {
  NOT_QUEUED,
  type Dispatched,
  type ResponseReceiver,
  type ResponseSource,
  type UpstreamRequest,
} from '../request.ts'
import { redirectTarget, requestAt, settledFields } from './redirect-target.ts'

/** Follows redirects of routes that say to which hosts. */
export const followRedirects: Interceptor = (next, { followRedirects: rules }) => {
  if (rules === null) return next
  return {
    dispatch(request: UpstreamRequest, receiver: ResponseReceiver): Dispatched {
      const isFollowable = (request.method === 'GET' || request.method === 'HEAD') && request.body === null
      return isFollowable
        ? new Journey(next, rules, request, receiver).start()
        : next.dispatch(request, receiver)
    },
  }
}

/** What a redirect says besides its address is nobody's; more of it than this costs its connection. */
const MAX_PASSED_OVER = 65_536

/**
 * One request and the redirects that it met. Its receiver hears of one connection and one answer, the last; all that is not the last is
 * read and thrown away.
 *
 *     asked ──redirect to a listed host──► passing over ──its end──► asked (at the next host, as a stranger)
 *        └──any other answer──► answered
 */
class Journey implements ResponseReceiver, ResponseSource, Dispatched {
  isUpstream = true
  readonly #next: Dispatcher
  readonly #rules: FollowRules
  readonly #receiver: ResponseReceiver
  #request: UpstreamRequest
  #place: Dispatched = NOT_QUEUED
  #source: ResponseSource | null = null
  #visited: Set<string> | null = null
  #hops = 0
  /** Where to go when the redirect's body has been passed over; null while an answer is awaited or handed on. */
  #target: URL | null = null
  #passedOver = 0
  #hasConnected = false
  #isOver = false

  constructor(next: Dispatcher, rules: FollowRules, request: UpstreamRequest, receiver: ResponseReceiver) {
    this.#next = next
    this.#rules = rules
    this.#request = request
    this.#receiver = receiver
  }

  start(): Dispatched {
    const hops = this.#hops
    const place = this.#next.dispatch(this.#request, this)
    // Unless it has gone on by now.
    if (hops === this.#hops) this.#place = place
    return this
  }

  /** See Dispatched: in the queue of the first host. Later ones are left by `abort`. */
  leave(): boolean {
    if (this.#hasConnected) return false
    return this.#place.leave()
  }

  onConnect(source: ResponseSource): boolean {
    if (this.#isOver) return false
    this.#source = source
    if (this.#hasConnected) return true
    this.#hasConnected = true
    this.isUpstream = source.isUpstream
    return this.#receiver.onConnect(this)
  }

  onHeaders(status: number, fields: string[], statusText: string): void {
    if (status < 200) {
      if (this.#hops === 0) this.#receiver.onHeaders(status, fields, statusText)
      return
    }
    const url = redirectTarget(status, fields, this.#request)
    if (url === null || !isFollowed(this.#rules, url)) {
      this.#answer(status, fields, statusText, url)
      return
    }
    this.#visited ??= new Set([this.#request.origin + this.#request.path])
    const place = url.origin + url.pathname + url.search
    if (this.#hops >= this.#rules.maxHops || this.#visited.has(place)) {
      this.#fail(new RedirectError(this.#visited.has(place) ? 'go round in a circle' : 'are too many'))
      return
    }
    this.#visited.add(place)
    this.#target = url
    this.#passedOver = 0
    const { notes } = this.#request
    const limit = notes === null ? '' : readRateLimit(fields, status, notes.timeAt(performance.now()))
    if (notes !== null && limit !== '') notes.upstreamLimit = limit
  }

  onData(bytes: Buffer, isLast: boolean): boolean {
    if (this.#isOver) return true
    if (this.#target === null) return this.#receiver.onData(bytes, isLast)
    this.#passedOver += bytes.length
    // `onError` follows, and goes on.
    if (this.#passedOver > MAX_PASSED_OVER) this.#source?.abort(new RequestGoneError())
    return true
  }

  onPause(): void {
    if (this.#target === null && !this.#isOver) this.#receiver.onPause()
  }

  onEnd(trailers: string[], isCut: boolean): void {
    if (this.#isOver) return
    if (this.#target === null) this.#receiver.onEnd(trailers, isCut)
    else this.#goTo(this.#target)
  }

  onError(error: NodeJS.ErrnoException, isUnheard: boolean): void {
    if (this.#isOver) return
    // The address came, and nothing else of that answer is wanted.
    if (this.#target !== null) {
      this.#goTo(this.#target)
      return
    }
    this.#isOver = true
    this.#receiver.onError(error, isUnheard)
  }

  moved(): number {
    return this.#receiver.moved()
  }

  movingSince(): number {
    return this.#receiver.movingSince()
  }

  giveWay(): void {
    this.#receiver.giveWay()
  }

  resume(): void {
    this.#source?.resume()
  }

  hold(bytes: Buffer): Buffer {
    return this.#source?.hold(bytes) ?? Buffer.from(bytes)
  }

  abort(error: Error): void {
    this.#fail(error)
  }

  #answer(status: number, fields: string[], statusText: string, url: URL | null): void {
    if (this.#hops > 0 && status === 401) {
      this.#fail(new UpstreamAuthError())
      return
    }
    const { route, origin } = this.#request
    const isElsewhere = url !== null && url.origin !== origin && url.origin !== route.upstream.origin
    if (
      isElsewhere &&
      this.#rules.others === 'refuse' &&
      !route.files.some((one) => one.origin === url.origin)
    ) {
      this.#fail(new RedirectError('lead to a host that is not listed'))
      return
    }
    this.#receiver.onHeaders(
      status,
      this.#hops === 0 ? fields : settledFields(fields, this.#request),
      statusText,
    )
  }

  #goTo(url: URL): void {
    this.#hops++
    this.#target = null
    this.#source = null
    this.#request = requestAt(url, this.#request)
    if (this.#request.notes !== null) this.#request.notes.upstream = url.host
    this.#place = NOT_QUEUED
    this.start()
  }

  #fail(error: Error): void {
    if (this.#isOver) return
    this.#isOver = true
    if (this.#source === null) this.#place.leave()
    else this.#source.abort(error)
    this.#receiver.onError(error, false)
  }
}
