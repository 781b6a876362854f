/**
 * What becomes of a tenant's requests and entries when the access log is in trouble; docs/log-policies.md has the table.
 * `best_effort`: its entries are the first to give way when the channel is full. `spill`: disk before drop. `strict`: a request is
 * refused when its entry could not at least be spilled, and an entry of one that was let through is never displaced (docs/decisions/0026).
 */
export const LOG_POLICIES = ['best_effort', 'spill', 'strict'] as const

/** One of the closed set of policies. */
export type LogPolicy = (typeof LOG_POLICIES)[number]

/** What a tenant has unless it was said otherwise; also for what has no tenant. */
export const DEFAULT_LOG_POLICY: LogPolicy = 'spill'
