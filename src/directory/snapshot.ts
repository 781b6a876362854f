import type { BlockList } from 'node:net'
import type { KeyGrant, Snapshot, TenantGrant } from '../model/grant.ts'
import { compileNetworks } from '../model/network.ts'
import { compileScopes, type ScopeSet } from '../model/scope.ts'
import type { DirectoryChunk, KeyRecord, TenantRecord } from './directory-source.ts'

type Shard = ReadonlyMap<string, KeyGrant>

/** One shard for each value of a digest's first byte. */
const SHARDS = 256

/**
 * Tenants and keys at one moment. Keys lie in 256 maps by the first byte of their digest, so that a change copies one
 * of them and shares the rest with the snapshot before:
 *
 *     snapshot n      00 01 02 … ff          one key of 100,000 changes:
 *                      │  │  │     │         about 400 entries are copied, not 100,000
 *     snapshot n+1    00 01 02' … ff
 */
export class DirectorySnapshot implements Snapshot {
  readonly keyCount: number
  readonly tenants: ReadonlyMap<string, TenantGrant>
  readonly shards: readonly Shard[]

  constructor(tenants: ReadonlyMap<string, TenantGrant>, shards: readonly Shard[]) {
    this.tenants = tenants
    this.shards = shards
    this.keyCount = shards.reduce((count, shard) => count + shard.size, 0)
  }

  keyByDigest(digest: string): KeyGrant | undefined {
    return this.shards[shardOf(digest)]?.get(digest)
  }
}

/**
 * Builds the snapshot that follows `base` from rows, in whatever order they come. A row that is not newer than what `base`
 * holds is ignored, and what is revoked or deleted stays so: rows may come late or from a standby that lags behind.
 */
export class SnapshotUpdate {
  readonly #base: DirectorySnapshot | null
  readonly #isFull: boolean
  readonly #tenants: Map<string, TenantGrant>
  /** A shard's map, once it has been copied (or, for a full load, begun anew). */
  readonly #shards: (Map<string, KeyGrant> | undefined)[]
  readonly #scopes: Map<string, ScopeSet>
  #hasChanged = false

  /** `isFull`: the rows to come are all there are, and what is not among them is dropped. `scopes` is the cache of compiled scopes. */
  constructor(base: DirectorySnapshot | null, isFull: boolean, scopes: Map<string, ScopeSet>) {
    this.#base = base
    this.#isFull = isFull
    this.#scopes = scopes
    this.#tenants = new Map(isFull || base === null ? [] : base.tenants)
    this.#shards = Array.from({ length: SHARDS }, () => (isFull || base === null ? new Map() : undefined))
  }

  add(chunk: DirectoryChunk): void {
    for (const tenant of chunk.tenants) this.#addTenant(tenant)
    for (const key of chunk.keys) this.#addKey(key)
  }

  /** The new snapshot; `base` itself when nothing has changed. */
  finish(): DirectorySnapshot {
    const base = this.#base
    if (base === null) return new DirectorySnapshot(this.#tenants, this.#shards.map(mapOrEmpty))
    if (!this.#isFull && !this.#hasChanged) return base
    const next = new DirectorySnapshot(
      this.#tenants,
      this.#shards.map((shard, i) => shard ?? mapOrEmpty(base.shards[i])),
    )
    const isSame = next.keyCount === base.keyCount && next.tenants.size === base.tenants.size
    return isSame && !this.#hasChanged ? base : next
  }

  #addTenant(record: TenantRecord): void {
    const old = this.#base?.tenants.get(record.slug)
    if (old !== undefined && old.version >= record.version) {
      this.#tenants.set(old.slug, old)
      return
    }
    this.#hasChanged = true
    this.#tenants.set(record.slug, {
      slug: record.slug,
      state: old?.state === 'deleted' ? 'deleted' : record.state,
      rateLimit: record.rateLimit,
      routeRateLimits: new Map(Object.entries(record.routeRateLimits)),
      maxConcurrency: record.maxConcurrency,
      logPolicy: record.logPolicy,
      version: record.version,
    })
  }

  #addKey(record: KeyRecord): void {
    const index = shardOf(record.digest)
    const old = this.#base?.shards[index]?.get(record.digest)
    if (old !== undefined && old.version >= record.version) {
      if (this.#isFull) this.#shards[index]?.set(record.digest, old)
      return
    }
    this.#hasChanged = true
    const shard = (this.#shards[index] ??= new Map(this.#base?.shards[index]))
    shard.set(record.digest, {
      id: record.id,
      tenant: record.tenant,
      scopes: this.#compileScopes(record.scopes),
      expiresAtMs: record.expiresAtMs ?? Infinity,
      isRevoked: record.isRevoked || old?.isRevoked === true,
      networks: networksOf(record.networks),
      rateLimit: record.rateLimit,
      version: record.version,
    })
  }

  #compileScopes(text: string): ScopeSet {
    let scopes = this.#scopes.get(text)
    if (scopes === undefined) {
      scopes = compileScopes(text === '' ? [] : text.split(' '))
      // A cache, no more: bounded, in case every key has scopes of its own.
      if (this.#scopes.size < 10_000) this.#scopes.set(text, scopes)
    }
    return scopes
  }
}

function networksOf(text: string): BlockList | null {
  return text === '' ? null : compileNetworks(text.split(' '))
}

function mapOrEmpty(shard: Shard | undefined): Shard {
  return shard ?? new Map()
}

/** The value of the first two hex digits; some shard or other for what is no digest. */
function shardOf(digest: string): number {
  return ((hexValue(digest.charCodeAt(0)) << 4) | hexValue(digest.charCodeAt(1))) & (SHARDS - 1)
}

function hexValue(code: number): number {
  return code <= 57 ? code - 48 : code - 87
}
