import { HistogramCounts, REQUEST_BOUNDS_SECONDS } from '../lib/histogram.ts'
import { WatchedCount } from '../lib/promised-bound.ts'
import type { AccessEntry, EntrySpan } from '../model/access-entry.ts'
import { OUTCOME_NAMES, type Outcome } from '../model/outcome.ts'
import { RULE_MARKS, type RuleMark } from '../model/rules/rule.ts'
import {
  CONNECTION_REFUSALS,
  type ConnectionRefusal,
  type ProxyStats,
  type RouteStats,
} from '../model/stats.ts'

const OUTCOME_INDEX = Object.fromEntries(OUTCOME_NAMES.map((name, i) => [name, i])) as Record<Outcome, number>

/** Counters of one route, kept by the data plane: plain numbers, no label look-up per request. */
export class RouteCounters implements RouteStats {
  readonly route: string
  readonly outcomes = new Float64Array(OUTCOME_NAMES.length * 5)
  bytesReceived = 0
  bytesSent = 0
  readonly durationBuckets = new HistogramCounts(REQUEST_BOUNDS_SECONDS)
  readonly upstreamBuckets = new HistogramCounts(REQUEST_BOUNDS_SECONDS)

  constructor(route: string) {
    this.route = route
  }

  /** Counts one finished request; `status` is what the entry says. */
  count(outcome: Outcome, status: number): void {
    const statusClass = Math.min(5, Math.max(1, Math.trunc(status / 100)))
    const at = OUTCOME_INDEX[outcome] * 5 + statusClass - 1
    this.outcomes[at] = (this.outcomes[at] as number) + 1
  }

  /** Has a request that is traced stand for those that took as long. */
  exemplify({ traceId, startedAtMs, durationUs, upstreamUs }: AccessEntry, span: EntrySpan): void {
    const atMs = startedAtMs + durationUs / 1000
    this.durationBuckets.exemplify({ traceId, spanId: span.id, seconds: durationUs / 1e6, atMs })
    if (upstreamUs < 0) return
    this.upstreamBuckets.exemplify({ traceId, spanId: span.upstreamId, seconds: upstreamUs / 1e6, atMs })
  }
}

/** Counters of the proxy listener. Routes that a reload removed keep theirs: counters never go backwards. */
export class ProxyCounters implements ProxyStats {
  readonly requestsInFlight = new WatchedCount()
  connections = 0
  upgradesOpen = 0
  readonly refusedConnections = Object.fromEntries(
    CONNECTION_REFUSALS.map((reason) => [reason, 0]),
  ) as Record<ConnectionRefusal, number>
  /** Requests that a rule concerned, by what it did. */
  readonly ruled = Object.fromEntries(RULE_MARKS.map((mark) => [mark, 0])) as Record<RuleMark, number>
  readonly #routes = new Map<string, RouteCounters>()

  get inFlight(): number {
    return this.requestsInFlight.value()
  }

  get routes(): Iterable<RouteCounters> {
    return this.#routes.values()
  }

  /** Counters of a route by name, '' for requests without one. Names come from the configuration only, so they are few. */
  route(name: string): RouteCounters {
    let counters = this.#routes.get(name)
    if (counters === undefined) {
      counters = new RouteCounters(name)
      this.#routes.set(name, counters)
    }
    return counters
  }
}
