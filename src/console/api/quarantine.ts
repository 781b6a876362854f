import { get } from './client.ts'
import type { Page } from './entries.ts'

/** An entry that PostgreSQL refused. */
export interface Quarantined {
  readonly id: number
  readonly instance: string
  readonly seq: number
  /** '' for a request that could not be attributed. */
  readonly tenant: string
  /** SQLSTATE of the refusal. */
  readonly code: string
  readonly detail: string | null
  readonly quarantinedAt: string
}

/** What became of one. */
export interface QuarantineResult {
  readonly state: 'stored' | 'refused' | 'dropped' | 'already_resolved'
  readonly detail?: string
}

/** The most that the API gives at once. */
const MAX_READ = 1000

/** Those that wait for somebody, the oldest first, 1,000 at most. */
export async function listQuarantine(signal: AbortSignal): Promise<readonly Quarantined[]> {
  return (await get<Page<Quarantined>>(`/api/v1/quarantine?limit=${MAX_READ}`, { signal })).items
}

export function retryQuarantined(id: number): Promise<QuarantineResult> {
  return get(`/api/v1/quarantine/${id}/retry`, { method: 'POST' })
}

export function dropQuarantined(id: number): Promise<QuarantineResult> {
  return get(`/api/v1/quarantine/${id}`, { method: 'DELETE' })
}
