import type { BreakerRules } from '../../model/upstream/health-rules.ts'
import { RollingOutcomes } from './rolling-outcomes.ts'

export type BreakerState = 'closed' | 'open' | 'half_open'

/**
 * Keeps requests from a server that does not answer, and finds out when it does again. In memory, of one process.
 *
 *     closed ──failures reach their share of the window──► open ──its time is over──► half_open
 *        ▲                                                  ▲                             │
 *        └──────────── the trial succeeded ─────────────────┼──── the trial failed ◄──────┤
 *
 * Every attempt is asked for by `canTry`, and ends with `succeeded`, `failed` or `abandoned`. While open all attempts are refused, and
 * while half open all but one, the trial; the first verdict that comes then decides, also of an attempt that began before. What comes
 * while open changes nothing. A trial of which nothing is heard for as long as it was open last, or `trialMs`, makes room for another.
 *
 * Moments are milliseconds of one clock, any that does not go back.
 */
export class CircuitBreaker {
  readonly #rules: BreakerRules
  readonly #onChange: (state: BreakerState) => void
  readonly #recent: RollingOutcomes
  #state: BreakerState = 'closed'
  /** How long it is, or was last, open; 0 before and after a success. */
  #openForMs = 0
  /** Open: when it is over. Half open: when the trial counts as lost. */
  #untilMs = 0

  /** `onChange` is told of each new state, within the call that brought it. */
  constructor(rules: BreakerRules, onChange: (state: BreakerState) => void = () => {}) {
    this.#rules = rules
    this.#onChange = onChange
    this.#recent = new RollingOutcomes(rules.windowMs)
  }

  get state(): BreakerState {
    return this.#state
  }

  /** Whether an attempt would be let pass now. Changes nothing. */
  isPassable(nowMs: number): boolean {
    return this.#state === 'closed' || nowMs >= this.#untilMs
  }

  /** Whether an attempt may begin; one that may, and meets an open breaker, is its trial. */
  canTry(nowMs: number): boolean {
    if (this.#state === 'closed') return true
    if (nowMs < this.#untilMs) return false
    this.#untilMs = nowMs + (this.#rules.trialMs ?? this.#openForMs)
    if (this.#state === 'open') this.#become('half_open')
    return true
  }

  /** An attempt came to a good end. */
  succeeded(nowMs: number): void {
    if (this.#state === 'closed') {
      if (this.#rules.isInARow === true) this.#recent.clear()
      else this.#recent.add(false, nowMs)
      return
    }
    if (this.#state !== 'half_open') return
    this.#openForMs = 0
    this.#recent.clear()
    this.#become('closed')
  }

  /** An attempt failed. */
  failed(nowMs: number): void {
    if (this.#state === 'open') return
    const { failureShare, minAttempts, openMs, maxOpenMs } = this.#rules
    if (this.#state === 'closed') {
      const recent = this.#recent
      recent.add(true, nowMs)
      if (recent.attempts < minAttempts || recent.failures < failureShare * recent.attempts) return
    }
    this.#openForMs = Math.min(maxOpenMs, this.#openForMs === 0 ? openMs : 2 * this.#openForMs)
    this.#untilMs = nowMs + this.#openForMs
    this.#become('open')
  }

  /** An attempt ended for a reason that says nothing of the server: the next one may be the trial. */
  abandoned(nowMs: number): void {
    if (this.#state === 'half_open') this.#untilMs = Math.min(this.#untilMs, nowMs)
  }

  /** Milliseconds until an attempt may pass; 0 for one that would be let pass now. */
  waitMs(nowMs: number): number {
    return this.#state === 'closed' ? 0 : Math.max(0, this.#untilMs - nowMs)
  }

  #become(state: BreakerState): void {
    this.#state = state
    this.#onChange(state)
  }
}
