import type { TenantGrant } from '../model/grant.ts'
import type { SigningKey } from '../model/token/signing-key.ts'
import type { RuleRecord } from '../model/rules/rule.ts'
import type { RateLimit } from '../model/route.ts'

/** A key's row as the directory reads it. */
export interface KeyRecord {
  readonly id: string
  readonly digest: string
  readonly tenant: string
  /** Separated by spaces: keys with equal text share one compiled set. */
  readonly scopes: string
  /** Separated by spaces; '' for all. */
  readonly networks: string
  readonly rateLimit: RateLimit | null
  /** Epoch milliseconds; null for never. */
  readonly expiresAtMs: number | null
  readonly isRevoked: boolean
  readonly version: number
}

/** Some of the rows of a load. */
export interface DirectoryChunk {
  readonly tenants: readonly TenantGrant[]
  readonly keys: readonly KeyRecord[]
  /** All of them come with every load, of whatever else changed. */
  readonly signingKeys?: readonly SigningKey[]
  /** Missing where the source knows of no rules, not even that there are none. */
  readonly rules?: readonly RuleRecord[]
}

/** How far a load has read. */
export interface DirectoryPosition {
  /** Where the next load goes on. */
  readonly cursor: string
  /** Which database was read, in which life of it: a cursor means nothing in another one. */
  readonly origin: string
  /** The transactions that the load saw, as the database writes them. */
  readonly seen: string
}

/** One connection to where tenants and keys are kept; broken for good once anything on it has failed. */
export interface DirectoryConnection {
  /** Asks for hints of changes; false where there are none to be had (a standby): loading works all the same. */
  listen(): Promise<boolean>
  /**
   * Reads everything (`since` null), or all rows that may have changed since the cursor, chunk by chunk, and returns how far
   * it has come. A row may come again unchanged; none is missed, however late its transaction committed.
   */
  load(since: string | null, onChunk: (chunk: DirectoryChunk) => void): Promise<DirectoryPosition>
  /** Cuts the connection without waiting for the other side; what is under way rejects. Harmless when repeated. */
  destroy(): Promise<void>
}

/** Where tenants and keys come from. */
export interface DirectorySource {
  /** Opens a connection, lazily: it cannot fail, its first use can. `onHint`: something has changed; `onClose`: it broke. */
  connect(events: { readonly onHint: () => void; readonly onClose: () => void }): DirectoryConnection
  /** Writes when keys were last used: id → epoch milliseconds. Safe to repeat. */
  writeUses(uses: ReadonlyMap<string, number>): Promise<void>
  /** Notes how far this process has applied changes; null: it is about to load. Safe to repeat. */
  confirm(position: DirectoryPosition | null): Promise<void>
  /** Notes that this process serves no more. Safe to repeat. */
  leave(): Promise<void>
}
