import { retryAfterMs } from '../../http/rate-limit-fields.ts'
import { backoffMs } from '../../lib/time/backoff.ts'
import { type Clock, systemClock } from '../../lib/time/clock.ts'
import type { RetryRules } from '../../model/upstream/health-rules.ts'
import type { Route } from '../../model/route.ts'
import type { Dispatcher, Interceptor } from '../dispatcher.ts'
import { faultOf } from '../failure.ts'
import { FailureSet } from '../health/failure-set.ts'
import { RetryBudget } from '../health/retry-budget.ts'
import type { RetryCounters, RetryCounts } from '../health/retry-counters.ts'
import { Journey } from '../journey.ts'
import type { Dispatched, ResponseReceiver, ResponseSource, UpstreamRequest } from '../request.ts'

/** What the retries of one route share. */
interface RetryParts {
  readonly rules: RetryRules
  readonly failures: FailureSet
  readonly methods: ReadonlySet<string>
  readonly budget: RetryBudget
  readonly counts: RetryCounts
  readonly clock: Clock
}

/** Methods that change nothing (RFC 9110 §9.2.1) and are asked for again by default. */
const SAFE = ['GET', 'HEAD', 'OPTIONS']

/** Sends requests of routes that say so once more, when they are idempotent and failed before an answer was passed on. */
export function retries({
  counters,
  clock = systemClock,
}: {
  readonly counters: RetryCounters
  readonly clock?: Clock
}): Interceptor {
  return (next: Dispatcher, { name, retries: rules = null }: Route): Dispatcher => {
    if (rules === null) return next
    const parts: RetryParts = {
      rules,
      failures: new FailureSet(rules.on),
      methods: new Set([...SAFE, ...rules.methods]),
      budget: new RetryBudget(rules.budgetShare, rules.budgetPerSecond),
      counts: counters.route(name),
      clock,
    }
    return {
      dispatch(request: UpstreamRequest, receiver: ResponseReceiver): Dispatched {
        if (request.standing !== 'upstream') return next.dispatch(request, receiver)
        parts.budget.deposit(request.tick)
        // What streams is gone once it was sent.
        const isWhole = request.body === null || Buffer.isBuffer(request.body)
        const isRepeatable = isWhole && parts.methods.has(request.method) && !request.isBoundToConnection
        return isRepeatable
          ? new RetriedRequest(next, parts, request, receiver).start()
          : next.dispatch(request, receiver)
      },
    }
  }
}

/** One request that may be sent several times; its receiver hears of the last answer alone. */
class RetriedRequest extends Journey {
  readonly #parts: RetryParts
  readonly #request: UpstreamRequest
  /** The head of an answer was passed on. */
  #isAnswered = false
  /** The last time that it was sent a connection was found. */
  #isConnected = false
  #isWaiting = false
  #cancelWait: () => void = () => {}

  constructor(next: Dispatcher, parts: RetryParts, request: UpstreamRequest, receiver: ResponseReceiver) {
    super(next, receiver)
    this.#parts = parts
    this.#request = request
  }

  start(): Dispatched {
    this.send(this.#request)
    return this
  }

  override onConnect(source: ResponseSource): boolean {
    this.#isConnected = true
    return super.onConnect(source)
  }

  protected onAnswer(status: number, fields: string[], statusText: string): void {
    if (this.#parts.failures.hasStatus(status)) {
      const waitMs = this.#waitMs(fields)
      if (waitMs !== null && this.#mayRetry()) {
        this.passOver(() => this.#sendLater(waitMs))
        return
      }
    }
    this.#isAnswered = status >= 200
    this.receiver.onHeaders(status, fields, statusText)
  }

  override onError(error: NodeJS.ErrnoException, isUnheard: boolean): void {
    if (this.isOver) return
    const kind = faultOf(error, this.#isConnected)
    const isOurs = !this.isPassingOver && !this.#isAnswered && kind !== null
    if (isOurs && this.#parts.failures.hasKind(kind) && this.#mayRetry()) {
      this.lose()
      this.#sendLater(this.#backoffMs())
      return
    }
    // What was sent again here is not begun anew by its receiver.
    super.onError(error, isUnheard && this.sends === 1)
  }

  /** See Dispatched: also while it waits to be sent again. */
  override leave(): boolean {
    if (!this.#isWaiting || this.hasConnected || this.isOver) return super.leave()
    this.#cancelWait()
    this.end()
    return true
  }

  protected override fail(error: Error): void {
    this.#cancelWait()
    super.fail(error)
  }

  #mayRetry(): boolean {
    const { rules, budget, counts } = this.#parts
    if (this.sends > rules.max) return false
    const hasBudget = budget.withdraw(performance.now())
    counts[hasBudget ? 'sent' : 'no_budget']++
    return hasBudget
  }

  /** The wait before it is sent again; null when its upstream asks for a longer one than may be: the client is told. */
  #waitMs(fields: readonly string[]): number | null {
    const { rules, clock } = this.#parts
    const askedMs = retryAfterMs(fields, clock.nowMs()) ?? 0
    return askedMs > rules.maxMs ? null : Math.max(askedMs, this.#backoffMs())
  }

  #backoffMs(): number {
    const { minMs, maxMs } = this.#parts.rules
    return backoffMs(this.sends - 1, minMs, maxMs, Math.random)
  }

  #sendLater(waitMs: number): void {
    this.#isWaiting = true
    this.#cancelWait = this.#parts.clock.later(waitMs, () => {
      this.#isWaiting = false
      this.#isConnected = false
      if (!this.isOver) this.send({ ...this.#request, tick: performance.now() })
    })
  }
}
