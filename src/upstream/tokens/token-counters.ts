import { TOKEN_RESULTS, type TokenResult, type TokenStats } from '../../model/stats.ts'

export type TokenCounts = Record<TokenResult, number>

/** Fetches of tokens by route. Routes that a reload removed keep theirs: counters never go backwards. */
export class TokenCounters {
  readonly #routes = new Map<string, TokenCounts>()

  /** Counts of a route by name. Names come from the configuration only, so they are few. */
  route(name: string): TokenCounts {
    let counts = this.#routes.get(name)
    if (counts === undefined) {
      counts = Object.fromEntries(TOKEN_RESULTS.map((result) => [result, 0])) as TokenCounts
      this.#routes.set(name, counts)
    }
    return counts
  }

  get stats(): TokenStats[] {
    return [...this.#routes].map(([route, results]) => ({ route, results }))
  }
}
