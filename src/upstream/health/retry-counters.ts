import type { RetryResult, RetryStats } from '../../model/stats.ts'

export type RetryCounts = Record<RetryResult, number>

/** Retries by route. Routes that a reload removed keep theirs: counters never go backwards. */
export class RetryCounters {
  readonly #routes = new Map<string, RetryCounts>()

  /** Counts of a route by name. Names come from the configuration only, so they are few. */
  route(name: string): RetryCounts {
    let counts = this.#routes.get(name)
    if (counts === undefined) {
      counts = { sent: 0, no_budget: 0 }
      this.#routes.set(name, counts)
    }
    return counts
  }

  get stats(): RetryStats[] {
    return [...this.#routes].map(([route, results]) => ({ route, results }))
  }
}
