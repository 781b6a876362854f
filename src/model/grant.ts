import type { BlockList } from 'node:net'
import type { RateLimit } from './route.ts'
import type { RuleBook } from './rules/rule-book.ts'
import type { ScopeSet } from './scope.ts'
import type { SigningKey } from './token/signing-key.ts'
import { INITIAL_SETTINGS, type TenantSettings } from './tenant-settings.ts'

/** `deleted` is terminal; `suspended` and `active` may alternate. */
export type TenantState = 'active' | 'suspended' | 'deleted'

/**
 * A tenant as the data plane knows it: what its source reads, what the snapshot holds, and what is kept on disk. Immutable: a change
 * replaces the whole record.
 */
export interface TenantGrant extends TenantSettings {
  readonly slug: string
  readonly state: TenantState
  /** Grows with each change of the row. */
  readonly version: number
}

const NO_TENANT: TenantGrant = { slug: '', state: 'active', ...INITIAL_SETTINGS, version: 0 }

/** A tenant with these settings, and the initial ones in place of others. All have one hidden shape, wherever they come from. */
export function tenantGrant(
  known: Pick<TenantGrant, 'slug' | 'state' | 'version'> & Partial<TenantSettings>,
): TenantGrant {
  return { ...NO_TENANT, ...known }
}

/** A key as the data plane knows it, revoked and expired ones included, so that each refusal has its own reason. */
export interface KeyGrant {
  readonly id: string
  readonly tenant: string
  readonly scopes: ScopeSet
  /** Epoch milliseconds; Infinity for never. */
  readonly expiresAtMs: number
  readonly isRevoked: boolean
  /** Networks that the key may be used from, or null for all. */
  readonly networks: BlockList | null
  readonly rateLimit: RateLimit | null
  readonly version: number
}

/** Tenants by slug. */
interface Tenants {
  readonly size: number
  get(slug: string): TenantGrant | undefined
  values(): Iterable<TenantGrant>
}

/** What the data plane knows of tenants and keys at one moment. Never edited; replaced whole. */
export interface Snapshot {
  readonly keyCount: number
  readonly tenants: Tenants
  /** Finds a key by its digest (`digestKey`). */
  keyByDigest(digest: string): KeyGrant | undefined
  /** Finds a key by its public id: of a token. */
  keyById(id: string): KeyGrant | undefined
  /** By which tokens are signed. */
  readonly signingKeys: readonly SigningKey[]
}

/** The data plane's view of the directory. */
export interface Directory {
  /** The last good snapshot; null until the first has been loaded. */
  readonly snapshot: Snapshot | null
  /**
   * The last rules that were known, however old; without any while none ever were, and null where that refuses all that rules may be
   * about (`rules.whenUnknown`).
   */
  readonly rules: RuleBook | null
  /** Whether a key that the snapshot does not hold may exist: it came from disk, or the database has been away for some seconds. */
  readonly isStale: boolean
  /** Notes that a key was used now; written back coalesced, elsewhere. Never waits. */
  noteUse(keyId: string): void
}
