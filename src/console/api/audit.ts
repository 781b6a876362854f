import { get } from './client.ts'

export interface Account {
  readonly tenant: string
  readonly accepted: number
  readonly stored: number
  readonly expired: number
  readonly quarantined: number
  readonly dropped: Readonly<Record<string, number>>
}

export interface Gap {
  readonly kind: string
  readonly instance: string
  readonly tenant: string | null
  readonly entries: number | null
  readonly entriesAtMost: number | null
  readonly line: string
}

export interface Instance {
  readonly id: string
  readonly host: string | null
  readonly version: string | null
  readonly startedAt: string | null
  readonly lastSeenAt: string | null
  readonly endedAt: string | null
  readonly state: string
  /** Null for a tenant, as is what waits. */
  readonly batches: number | null
  readonly waiting: number | null
  readonly spilledEntries: number | null
  readonly capacityEntries: number | null
}

/** What the ledger proves of a window. */
export interface Audit {
  readonly since: string
  readonly until: string
  readonly isComplete: boolean
  /** Null for a tenant, as is what waits. */
  readonly batches: number | null
  readonly waiting: number | null
  readonly gapCount: number
  /** What it covers begins within what was folded into a checkpoint: the CLI says that it cannot tell. */
  readonly isCutByFold: boolean
  readonly settledTo: string | null
  readonly tenants: readonly Account[]
  readonly total: Omit<Account, 'tenant'>
  readonly instances: readonly Instance[]
  readonly gaps: readonly Gap[]
  readonly isTruncated: boolean
}

export function getAudit(since: string, until: string, signal: AbortSignal): Promise<Audit> {
  return get(`/api/v1/audit?${new URLSearchParams({ since, until })}`, { signal })
}
