import type { Config } from '../../config/config.ts'
import type { EntryRow } from '../../model/entry-columns.ts'
import type { TenantState } from '../../model/grant.ts'
import type { TenantChanges } from '../../model/tenant-settings.ts'
import type { AdminToken, NewAdminToken } from '../../store/access/admin-tokens.ts'
import type { AdminSession } from '../../store/access/sessions.ts'
import type { AdminLogEntry, AdminLogFilter, AdminLogPage } from '../../store/admin-log/admin-log.ts'
import type { FollowedTable, Unconfirmed } from '../../store/directory/followers.ts'
import type { ApiKey, KeyChanges, KeyListing, NewKey } from '../../store/directory/keys.ts'
import type { SigningKeyInfo } from '../../store/directory/signing-keys.ts'
import type { Tenant } from '../../store/directory/tenants.ts'
import type { EntryFilter } from '../../store/entries/entries.ts'
import type { QuarantinedRow, QuarantineFilter, RetryResult } from '../../store/entries/quarantine.ts'
import type { Retention } from '../../store/entries/retention.ts'
import type { UsageFilter, UsageRow } from '../../store/entries/usage.ts'
import type { UsageGroup, UsageGroupQuery } from '../../store/figures/usage-groups.ts'
import type { DeliveryPort } from './delivery-port.ts'

/** Names that are known, for what is said of one that is not. */
export interface NamePort {
  getTenant(slug: string): Promise<Tenant | null>
  getKey(id: string): Promise<ApiKey | null>
  /** Whether the ledger has entries of a tenant that is not there (any more). */
  isInLedger(slug: string): Promise<boolean>
  tenantsLike(slug: string): Promise<readonly string[]>
  recentRoutes(): Promise<readonly string[]>
}

/** A key that is made; its text is known here alone. */
export interface Minted<T> {
  readonly made: T
  readonly text: string
}

/** What a new key shall be. */
export type KeyWish = Omit<NewKey, 'id' | 'digest'>

/** What a new token shall be. */
export type TokenWish = Omit<NewAdminToken, 'id' | 'digest'>

/** Tenants, keys and tokens. All reject with a StoreError for what is refused. */
export interface DirectoryPort extends NamePort {
  /** In the order of slugs, in pages. */
  listTenants(includeDeleted: boolean): AsyncIterable<readonly Tenant[]>
  createTenant(slug: string, changes: TenantChanges): Promise<Tenant>
  updateTenant(slug: string, changes: TenantChanges, ifVersion: number | null): Promise<Tenant>
  setTenantState(slug: string, state: TenantState): Promise<{ tenant: Tenant; changed: boolean }>
  listKeys(listing: Pick<KeyListing, 'tenant' | 'includeInactive'>): Promise<readonly ApiKey[]>
  mintKey(wish: KeyWish): Promise<Minted<ApiKey>>
  updateKey(id: string, changes: KeyChanges, ifVersion: number | null): Promise<ApiKey>
  rotateKey(id: string, overlapMs: number): Promise<Minted<ApiKey> & { readonly old: ApiKey }>
  revokeKey(id: string): Promise<{ key: ApiKey; changed: boolean }>
  listTokens(includeInactive: boolean): Promise<readonly AdminToken[]>
  createToken(wish: TokenWish): Promise<Minted<AdminToken>>
  revokeToken(id: string): Promise<{ token: AdminToken; changed: boolean }>
  /** Which gateways have, and have not, the last change of a key or tenant; null when there is none such. */
  confirmations(table: FollowedTable, id: string): Promise<Confirmations | null>
}

/** How far a change has come. */
export interface Confirmations {
  readonly confirmed: number
  readonly waiting: readonly Omit<Unconfirmed, 'machine'>[]
}

/** The access log, and what is made of it. */
export interface LogPort {
  /** The newest `limit` entries, newest first, and whether there are more. */
  newestEntries(filter: EntryFilter, limit: number): Promise<{ entries: readonly EntryRow[]; isCut: boolean }>
  /** All entries, oldest first. */
  streamEntries(filter: EntryFilter): AsyncIterable<readonly EntryRow[]>
  /** Entries as they are stored, from `filter.since` on, until the signal. */
  followEntries(filter: EntryFilter, signal: AbortSignal): AsyncIterable<readonly EntryRow[]>
  usageByDay(filter: UsageFilter): AsyncIterable<readonly UsageRow[]>
  groupUsage(
    query: UsageGroupQuery,
  ): Promise<{ readonly groups: readonly UsageGroup[]; readonly isComplete: boolean }>
  listAdminLog(filter: AdminLogFilter, page: AdminLogPage): Promise<readonly AdminLogEntry[]>
}

/** A row that PostgreSQL refused, with its columns, or as it is where it is none. */
export interface QuarantinedValues {
  readonly row: QuarantinedRow
  readonly entry: Record<string, string | null> | string
}

/** What an operator looks after. All reject with a StoreError for what is refused. */
export interface UpkeepPort {
  /** Oldest first. */
  listQuarantine(filter: QuarantineFilter): AsyncIterable<readonly QuarantinedRow[]>
  getQuarantined(id: number): Promise<QuarantinedValues | null>
  retryQuarantined(id: number): Promise<RetryResult>
  /** False when something had been decided on it before. */
  dropQuarantined(id: number): Promise<boolean>
  /** What live gateways have on disk and cannot store for now, in lines for people. */
  listSetAside(): Promise<
    readonly { readonly host: string; readonly instance: string; readonly lines: readonly string[] }[]
  >
  readRetention(): Promise<Retention | null>
  setRetention(days: number): Promise<void>
  listSigningKeys(): Promise<readonly SigningKeyInfo[]>
  rotateSigningKeys(isAtOnce: boolean): Promise<readonly SigningKeyInfo[]>
  /** Of one person, or all. */
  listSessions(subject: string | undefined): Promise<readonly AdminSession[]>
  endSession(id: string): Promise<AdminSession>
}

/** The control plane as commands know it: a database, or the API of a gateway. */
export interface ControlPlane extends DirectoryPort, LogPort, UpkeepPort, DeliveryPort {
  readonly config: Config
  /** The database's time, epoch milliseconds. */
  nowMs(): Promise<number>
  /** Names on stderr, apart from the data, what answered. */
  nameSource(): void
}
