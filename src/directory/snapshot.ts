import type { BlockList } from 'node:net'
import type { KeyGrant, Snapshot, TenantGrant, TenantState } from '../model/grant.ts'
import { compileNetworks } from '../model/network.ts'
import { isSameRate } from '../model/rate-limit.ts'
import { compileScopes, type ScopeSet } from '../model/scope.ts'
import { isSameSettings } from '../model/tenant-settings.ts'
import type { SigningKey } from '../model/token/signing-key.ts'
import { type RuleShards, RuleShardsUpdate } from './rule-shards.ts'
import type { DirectoryChunk, KeyRecord } from './directory-source.ts'
import { type ShardedMap, ShardedMapUpdate } from './sharded-map.ts'

/** A key with the texts that its sets were compiled from: to compare with rows, and to write to disk. */
export interface LoadedKey extends KeyGrant {
  readonly scopeText: string
  readonly networkText: string
}

const STRICTNESS: Readonly<Record<TenantState, number>> = { active: 0, suspended: 1, deleted: 2 }

/** Tenants and keys at one moment, in shards: a change copies one of them and shares the rest with the snapshot before. */
export class DirectorySnapshot implements Snapshot {
  readonly tenants: ShardedMap<TenantGrant>
  /** By digest. */
  readonly keys: ShardedMap<LoadedKey>
  /** The same by public id. */
  readonly #keysById: ShardedMap<LoadedKey>
  readonly signingKeys: readonly SigningKey[]
  /** Null where its source knew nothing of rules. */
  readonly rules: RuleShards | null

  constructor(
    tenants: ShardedMap<TenantGrant>,
    keys: ShardedMap<LoadedKey>,
    keysById: ShardedMap<LoadedKey>,
    signingKeys: readonly SigningKey[],
    rules: RuleShards | null,
  ) {
    this.tenants = tenants
    this.keys = keys
    this.#keysById = keysById
    this.signingKeys = signingKeys
    this.rules = rules
  }

  /** For the snapshot after this one. */
  get keysById(): ShardedMap<LoadedKey> {
    return this.#keysById
  }

  get keyCount(): number {
    return this.keys.size
  }

  keyByDigest(digest: string): LoadedKey | undefined {
    return this.keys.get(digest)
  }

  keyById(id: string): LoadedKey | undefined {
    return this.#keysById.get(id)
  }
}

/**
 * Builds the snapshot that follows `base` from rows, in whatever order they come.
 *
 * Rows of a full load are the truth, whatever their version: the database may be another one than before, a promoted standby
 * or a backup, whose versions have begun to count again from a lower one. Among rows that changed since a cursor, a higher
 * version is the next state. One that is not higher, and differs, contradicts what was read before: what it takes away
 * is taken away at once, all else is left to the full load that `isContradicted` asks for.
 */
export class SnapshotUpdate {
  readonly #base: DirectorySnapshot | null
  readonly #isFull: boolean
  readonly #tenants: ShardedMapUpdate<TenantGrant>
  readonly #keys: ShardedMapUpdate<LoadedKey>
  readonly #keysById: ShardedMapUpdate<LoadedKey>
  readonly #signingKeys: SigningKey[] = []
  readonly #rules: RuleShardsUpdate
  #knowsRules = false
  readonly #scopes: Map<string, ScopeSet>
  #hasChanged = false
  #isContradicted = false

  /** `isFull`: the rows to come are all there are, and what is not among them is dropped. `scopes` is the cache of compiled scopes. */
  constructor(base: DirectorySnapshot | null, isFull: boolean, scopes: Map<string, ScopeSet>) {
    this.#base = base
    this.#isFull = isFull || base === null
    this.#scopes = scopes
    this.#rules = new RuleShardsUpdate(base?.rules ?? null, this.#isFull || !base?.rules)
    this.#tenants = new ShardedMapUpdate(this.#isFull ? null : (base?.tenants ?? null))
    this.#keys = new ShardedMapUpdate(this.#isFull ? null : (base?.keys ?? null))
    this.#keysById = new ShardedMapUpdate(this.#isFull ? null : (base?.keysById ?? null))
  }

  /** A row says something else than was read before, and is not newer: the database is not the one it was. */
  get isContradicted(): boolean {
    return this.#isContradicted || this.#rules.isContradicted
  }

  add(chunk: DirectoryChunk): void {
    for (const tenant of chunk.tenants) this.#addTenant(tenant)
    for (const key of chunk.keys) this.#addKey(key)
    this.#signingKeys.push(...(chunk.signingKeys ?? []))
    if (chunk.rules === undefined) return
    this.#knowsRules = true
    for (const rule of chunk.rules) this.#rules.add(rule)
  }

  /** The new snapshot; `base` itself when nothing has changed. */
  finish(): DirectorySnapshot {
    const base = this.#base
    const signingKeys = this.#signingKeys.toSorted((a, b) => (a.kid < b.kid ? -1 : 1))
    const isSameSigning = JSON.stringify(base?.signingKeys) === JSON.stringify(signingKeys)
    const rules = this.#knowsRules ? this.#rules.finish() : (base?.rules ?? null)
    if (base !== null && !this.#hasChanged && isSameSigning && rules === base.rules) {
      if (!this.#isFull) return base
      if (this.#keys.size === base.keys.size && this.#tenants.size === base.tenants.size) return base
    }
    const keys = [this.#keys.finish(), this.#keysById.finish()] as const
    return new DirectorySnapshot(
      this.#tenants.finish(),
      ...keys,
      isSameSigning ? (base?.signingKeys ?? []) : signingKeys,
      rules,
    )
  }

  #addTenant(record: TenantGrant): void {
    const old = this.#base?.tenants.get(record.slug)
    if (old !== undefined && isSameTenant(old, record)) {
      if (this.#isFull) this.#tenants.set(old.slug, old)
      return
    }
    let { state } = record
    if (!this.#isFull && old !== undefined) {
      const isBehind = old.version >= record.version
      // What is deleted stays so in one database; whoever says otherwise is another one.
      if (isBehind || (old.state === 'deleted' && state !== 'deleted')) this.#isContradicted = true
      if (STRICTNESS[old.state] > STRICTNESS[state] && this.#isContradicted) ({ state } = old)
      if (isBehind) {
        if (state !== old.state) this.#setTenant({ ...old, state })
        return
      }
    }
    this.#setTenant(state === record.state ? record : { ...record, state })
  }

  #addKey(record: KeyRecord): void {
    const old = this.#base?.keys.get(record.digest)
    if (old !== undefined && isSameKey(old, record)) {
      if (this.#isFull) this.#place(record.digest, old)
      return
    }
    let { isRevoked } = record
    if (!this.#isFull && old !== undefined) {
      const isBehind = old.version >= record.version
      if (isBehind || (old.isRevoked && !isRevoked)) this.#isContradicted = true
      isRevoked ||= old.isRevoked
      if (isBehind) {
        const expiresAtMs = Math.min(old.expiresAtMs, record.expiresAtMs ?? Infinity)
        const takesAway = isRevoked !== old.isRevoked || expiresAtMs !== old.expiresAtMs
        if (takesAway) this.#setKey(record.digest, { ...old, isRevoked, expiresAtMs })
        return
      }
    }
    this.#setKey(record.digest, {
      id: record.id,
      tenant: record.tenant,
      scopes: this.#compileScopes(record.scopes),
      expiresAtMs: record.expiresAtMs ?? Infinity,
      isRevoked,
      networks: networksOf(record.networks),
      rateLimit: record.rateLimit,
      version: record.version,
      scopeText: record.scopes,
      networkText: record.networks,
    })
  }

  #setTenant(tenant: TenantGrant): void {
    this.#hasChanged = true
    this.#tenants.set(tenant.slug, tenant)
  }

  #setKey(digest: string, key: LoadedKey): void {
    this.#hasChanged = true
    this.#place(digest, key)
  }

  #place(digest: string, key: LoadedKey): void {
    this.#keys.set(digest, key)
    this.#keysById.set(key.id, key)
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

function isSameTenant(a: TenantGrant, b: TenantGrant): boolean {
  return a.version === b.version && a.state === b.state && isSameSettings(a, b)
}

function isSameKey(old: LoadedKey, record: KeyRecord): boolean {
  return (
    old.version === record.version &&
    old.isRevoked === record.isRevoked &&
    old.expiresAtMs === (record.expiresAtMs ?? Infinity) &&
    old.id === record.id &&
    old.tenant === record.tenant &&
    old.scopeText === record.scopes &&
    old.networkText === record.networks &&
    isSameRate(old.rateLimit, record.rateLimit)
  )
}
