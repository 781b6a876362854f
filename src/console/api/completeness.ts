import type { Gap } from './audit.ts'
import { get } from './client.ts'

/** What the ledger says of an hour, of all tenants or one. */
export type HourState = 'complete' | 'so_far' | 'gap' | 'unproven' | 'none'

export interface AuditedHour {
  readonly at: string
  readonly state: HourState
  readonly accepted: number
  readonly gapCount: number
  /** The first of them. */
  readonly gaps: readonly Gap[]
}

/** The hours of a tenant, as those of all. */
export interface TenantHours {
  /** '' for requests that could not be attributed. */
  readonly tenant: string
  readonly states: readonly HourState[]
  readonly accepted: readonly number[]
}

/** Whole hours of a window, UTC, up to the one that is not over. */
export interface Completeness {
  readonly since: string
  readonly until: string
  readonly settledTo: string | null
  readonly hours: readonly AuditedHour[]
  readonly tenants: readonly TenantHours[]
  readonly moreTenants: number
}

/** What the ledger says of each hour of a window of at most seven days. */
export function getCompleteness(since: string, until: string, signal: AbortSignal): Promise<Completeness> {
  return get(`/api/v1/completeness?${new URLSearchParams({ since, until })}`, { signal })
}
