import { get } from './client.ts'
import type { Page } from './entries.ts'

/** An option in force, and where it comes from. */
export interface Option {
  readonly name: string
  readonly value: unknown
  readonly source: string
  readonly actsOn: string
  readonly help: string
}

export interface Route {
  readonly name: string
  readonly kind: string
  readonly path: string
  readonly host: string | null
  readonly auth: string
  readonly upstream?: unknown
}

/** A process of a gateway on this database. */
export interface Gateway {
  readonly instance: string
  readonly host: string
  readonly processId: number | null
  readonly version: string
  readonly startedAt: string
  readonly lastSeenAt: string
  readonly endedAt: string | null
  readonly directorySilentMs: number | null
}

/** A change that somebody made. */
export interface Change {
  readonly seq: number
  readonly at: string
  readonly actor: string
  readonly via: string
  /** Null for a tenant. */
  readonly from: string | null
  readonly action: string
  readonly subject: string
  readonly name: string | null
  readonly before: Readonly<Record<string, unknown>> | null
  readonly after: Readonly<Record<string, unknown>> | null
}

const MAX_CHANGES = 50

export async function listOptions(signal: AbortSignal): Promise<readonly Option[]> {
  return (await get<Page<Option>>('/api/v1/configuration', { signal })).items
}

export async function listRoutes(signal: AbortSignal): Promise<readonly Route[]> {
  return (await get<Page<Route>>('/api/v1/routes', { signal })).items
}

export async function listGateways(signal: AbortSignal): Promise<readonly Gateway[]> {
  return (await get<Page<Gateway>>('/api/v1/gateways', { signal })).items
}

/** The newest changes; of a tenant and what belongs to it, or all. */
export async function listChanges(tenant: string | null, signal: AbortSignal): Promise<readonly Change[]> {
  const query = new URLSearchParams({ limit: String(MAX_CHANGES), ...(tenant === null ? {} : { tenant }) })
  return (await get<Page<Change>>(`/api/v1/admin-log?${query}`, { signal })).items
}
