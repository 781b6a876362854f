import { ask, get } from './client.ts'
import type { Page } from './entries.ts'

export interface RateLimit {
  readonly perSecond: number
  readonly burst: number
}

export interface TenantSettings {
  readonly rateLimit: RateLimit | null
  readonly routeRateLimits: Readonly<Record<string, RateLimit | null>>
  readonly maxConcurrency: number | null
  readonly logPolicy: string
}

export interface Tenant extends TenantSettings {
  readonly slug: string
  readonly state: 'active' | 'suspended' | 'deleted'
  readonly version: number
  readonly createdAt: string
  readonly updatedAt: string
}

export interface Key {
  readonly id: string
  readonly tenant: string
  readonly name: string | null
  readonly state: 'active' | 'expired' | 'revoked'
  readonly scopes: readonly string[]
  readonly allowNetworks: readonly string[]
  readonly rateLimit: RateLimit | null
  readonly expiresAt: string | null
  readonly revokedAt: string | null
  readonly rotatedTo: string | null
  readonly createdAt: string
  readonly lastUsedAt: string | null
  readonly version: number
}

/** A key that was made just now; its text is told this once. */
export interface MintedKey extends Key {
  readonly key: string
}

export interface NewKey {
  readonly tenant: string
  readonly name: string | null
  readonly scopes: readonly string[]
  readonly allowNetworks: readonly string[]
  readonly rateLimit: RateLimit | null
  readonly expires: string | null
}

/** A gateway process, and whether it serves by the last change. */
export interface Receipt {
  readonly instance: string
  /** Null for a tenant, as is the next. */
  readonly host: string | null
  readonly processId: number | null
  readonly isConfirmed: boolean
  readonly silentMs: number
}

/** Pages that are read of a list: beyond 10,000 a search is what helps. */
const MAX_PAGES = 10

/** The items of a list's pages, as far as they are read. */
async function listPages<T>(path: string, query: URLSearchParams, signal: AbortSignal): Promise<T[]> {
  const all: T[] = []
  query.set('limit', '1000')
  for (let page = 0; page < MAX_PAGES; page++) {
    const { items, next }: Page<T> = await get(`${path}?${query}`, { signal })
    all.push(...items)
    if (next === null) break
    query.set('cursor', next)
  }
  return all
}

export async function listTenants(signal: AbortSignal): Promise<readonly Tenant[]> {
  return await listPages('/api/v1/tenants', new URLSearchParams(), signal)
}

const at = (slug: string): string => `/api/v1/tenants/${encodeURIComponent(slug)}`

export function getTenant(slug: string, signal: AbortSignal): Promise<Tenant> {
  return get(at(slug), { signal })
}

export function createTenant(slug: string, settings: Partial<TenantSettings>): Promise<Tenant> {
  return get(at(slug), { method: 'PUT', body: settings, headers: { 'if-none-match': '*' } })
}

/** Changes a tenant, unless somebody else has since `version`. */
export function changeTenant(
  slug: string,
  settings: Partial<TenantSettings>,
  version: number,
): Promise<Tenant> {
  return get(at(slug), { method: 'PATCH', body: settings, headers: { 'if-match': `"${version}"` } })
}

export function setTenantState(slug: string, state: 'suspend' | 'resume'): Promise<Tenant> {
  return get(`${at(slug)}/${state}`, { method: 'POST' })
}

/** Keys, newest first within a tenant; with expired and revoked ones when asked for. */
export async function listKeys(
  filter: { readonly tenant?: string; readonly isAll: boolean },
  signal: AbortSignal,
): Promise<readonly Key[]> {
  const query = new URLSearchParams({
    ...(filter.tenant === undefined ? {} : { tenant: filter.tenant }),
    inactive: String(filter.isAll),
  })
  return await listPages('/api/v1/keys', query, signal)
}

const keyAt = (id: string): string => `/api/v1/keys/${encodeURIComponent(id)}`

export function getKey(id: string, signal: AbortSignal): Promise<Key> {
  return get(keyAt(id), { signal })
}

export function mintKey(key: NewKey): Promise<MintedKey> {
  return get('/api/v1/keys', { method: 'POST', body: key })
}

export function rotateKey(id: string, overlap: string): Promise<MintedKey> {
  return get(`${keyAt(id)}/rotate`, { method: 'POST', body: { overlap } })
}

export async function revokeKey(id: string): Promise<void> {
  await ask(`${keyAt(id)}/revoke`, { method: 'POST' })
}

export async function listReceipts(id: string, signal: AbortSignal): Promise<readonly Receipt[]> {
  return (await get<Page<Receipt>>(`${keyAt(id)}/receipts`, { signal })).items
}

/** A token of a person or a machine for this API. */
export interface Token {
  readonly id: string
  readonly name: string
  readonly role: string
  readonly tenant: string | null
  readonly state: 'active' | 'expired' | 'revoked'
  readonly createdAt: string
  readonly expiresAt: string | null
  readonly lastUsedAt: string | null
}

export async function listTokens(signal: AbortSignal): Promise<readonly Token[]> {
  return await listPages('/api/v1/tokens', new URLSearchParams(), signal)
}

export function createToken(token: {
  readonly name: string
  readonly role: string
  readonly tenant: string | null
  readonly expires: string | null
}): Promise<Token & { readonly token: string }> {
  return get('/api/v1/tokens', { method: 'POST', body: token })
}

export async function revokeToken(id: string): Promise<void> {
  await ask(`/api/v1/tokens/${encodeURIComponent(id)}`, { method: 'DELETE' })
}
