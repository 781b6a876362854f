import { crc32 } from 'node:zlib'
import { systemClock } from '../lib/time/clock.ts'
import { type TenantGrant, tenantGrant, type TenantState } from '../model/grant.ts'
import { isSameRule, type RuleRecord } from '../model/rules/rule.ts'
import type { KeyRecord } from './directory-source.ts'
import type { ShardedMap } from './sharded-map.ts'
import type { SigningKey } from '../model/token/signing-key.ts'
import type { DirectorySnapshot, LoadedKey } from './snapshot.ts'

/** The first line of the snapshot on disk. */
export interface KeptHeader {
  readonly format: typeof FORMAT
  /** Tells one snapshot from the next. */
  readonly id: string
  /** The start of a gateway that wrote it, shared by its workers. */
  readonly run: string
  /** Which database the configuration named. */
  readonly target: string
  /** Which database it was, see `readOrigin`. */
  readonly origin: string
  /** What follows was so at this time, epoch milliseconds by the database's clock. */
  readonly contactAtMs: number
  /** The machine's clock minus the database's then; null when it was not known. */
  readonly clockOffsetMs: number | null
  readonly tenants: number
  readonly keys: number
  /** Missing where rules were not known: written by a program that knows none. */
  readonly rules?: number
}

/** Content of the file that says how long the snapshot went on being true. */
export interface KeptContact {
  /** The snapshot that it speaks of. */
  readonly id: string
  /** Who writes; '' when nobody does any more. */
  readonly writer: string
  readonly contactAtMs: number
  readonly clockOffsetMs: number | null
}

/** What was taken from a key or a tenant since the snapshot was written, or became of a rule. */
export type Taken =
  | readonly ['k', digest: string, version: number, what: 'revoked' | 'changed' | 'gone']
  | readonly ['t', slug: string, version: number, state: TenantState]
  | readonly ['s', kid: string, version: number, what: 'gone']
  | readonly ['r', id: string, version: number, rule: RuleRecord]

export const FORMAT = 'waybill directory 1'

export function tenantLine(tenant: TenantGrant): string {
  return `t${JSON.stringify(tenant)}\n`
}

/** The tenant of a line; a setting that the version that wrote it did not know has its initial value. */
export function readTenantLine(line: string): TenantGrant {
  return tenantGrant(JSON.parse(line.slice(1)) as TenantGrant)
}

export function keyLine(digest: string, key: LoadedKey): string {
  const record: KeyRecord = {
    id: key.id,
    digest,
    tenant: key.tenant,
    scopes: key.scopeText,
    networks: key.networkText,
    rateLimit: key.rateLimit,
    expiresAtMs: key.expiresAtMs === Infinity ? null : key.expiresAtMs,
    isRevoked: key.isRevoked,
    version: key.version,
  }
  return `k${JSON.stringify(record)}\n`
}

/** With its secret, which lies where only its owner reads it: a gateway without its database has to know tokens (0483). */
export function signingKeyLine(key: SigningKey): string {
  return `s${JSON.stringify(key)}\n`
}

export function ruleLine(rule: RuleRecord): string {
  return `r${JSON.stringify(rule)}\n`
}

/** A line that proves itself. It begins with a line's end: one that was torn before it spoils only itself. */
export function sealedLine(value: unknown): string {
  const text = JSON.stringify(value)
  return `\n${crc32(text).toString(16)} ${text}\n`
}

/** What sealed lines say; throws when one of them is not whole. */
export function readSealed<T>(text: string): T[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const at = line.indexOf(' ')
      const value = line.slice(at + 1)
      if (at < 1 || crc32(value).toString(16) !== line.slice(0, at)) throw corrupt('a line is not whole')
      return JSON.parse(value) as T
    })
}

/** What can be read and is not what was written. */
export function corrupt(message: string): Error {
  return Object.assign(new Error(message), { code: 'corrupt' })
}

/** Turns of the event loop that a comparison of large snapshots takes: after so many shards it lets others on. */
const SHARDS_AT_ONCE = 16

/**
 * What `next` gives less than `base`. Only shards that differ are looked into: a change of one key among 100,000 compares some
 * 400 entries, a full load all of them, in slices.
 */
export async function takenAway(base: DirectorySnapshot, next: DirectorySnapshot): Promise<Taken[]> {
  const taken: Taken[] = []
  await compare(base.keys, next.keys, (digest, old, now) => {
    const what = takenFromKey(old, now)
    const version = Math.max(old.version, now?.version ?? 0)
    if (what !== null) taken.push(['k', digest, version, what])
  })
  for (const { kid } of base.signingKeys)
    if (!next.signingKeys.some((key) => key.kid === kid)) taken.push(['s', kid, 0, 'gone'])
  await noteRules(base, next, taken)
  await compare(base.tenants, next.tenants, (slug, old, now) => {
    const state = now?.state ?? 'deleted'
    if (state !== old.state) taken.push(['t', slug, Math.max(old.version, now?.version ?? 0), state])
  })
  return taken
}

/** What was decided of rules, whichever way: one that is forgotten would let pass what it refuses, or refuse what it lets pass. */
async function noteRules(base: DirectorySnapshot, next: DirectorySnapshot, taken: Taken[]): Promise<void> {
  if (next.rules === null || base.rules === next.rules) return
  const before = base.rules?.byId ?? null
  // Of another life of the database a rule may have a lower version than before: the note counts as the one that it takes the place of.
  const note = (rule: RuleRecord, old?: RuleRecord): void =>
    void taken.push(['r', rule.id, Math.max(old?.version ?? 0, rule.version), rule])
  let looked = 0
  for (const [i, shard] of next.rules.byId.shards.entries()) {
    const other = before?.shards[i]
    if (shard === other) continue
    for (const [id, rule] of shard) {
      const old = other?.get(id)
      if (old !== rule && (old === undefined || !isSameRule(old, rule))) note(rule, old)
    }
    // One that is there no more: of a full load, of another life of the database.
    for (const [id, old] of other ?? [])
      if (!shard.has(id) && old.state !== 'removed') note({ ...old, state: 'removed' })
    if (++looked % SHARDS_AT_ONCE === 0) await systemClock.turn()
  }
}

async function compare<V>(
  base: ShardedMap<V>,
  next: ShardedMap<V>,
  see: (name: string, old: V, now: V | undefined) => void,
): Promise<void> {
  let looked = 0
  for (const [i, shard] of base.shards.entries()) {
    const other = next.shards[i]
    if (shard === other) continue
    for (const [name, old] of shard) {
      const now = other?.get(name)
      if (now !== old) see(name, old, now)
    }
    if (++looked % SHARDS_AT_ONCE === 0) await systemClock.turn()
  }
}

function takenFromKey(old: LoadedKey, now: LoadedKey | undefined): 'revoked' | 'changed' | 'gone' | null {
  if (now === undefined) return 'gone'
  if (now.isRevoked) return old.isRevoked ? null : 'revoked'
  const isSame =
    now.expiresAtMs === old.expiresAtMs &&
    now.tenant === old.tenant &&
    now.scopeText === old.scopeText &&
    now.networkText === old.networkText
  if (isSame) return null
  return now.version > old.version ? 'changed' : 'gone'
}

/** What was taken since a snapshot was written, to be applied to its rows as they are read. */
export class TakenSince {
  readonly #keys = new Map<string, { version: number; what: 'revoked' | 'changed' | 'gone' }>()
  readonly #tenants = new Map<string, { version: number; state: TenantState }>()
  readonly #signingKeys = new Set<string>()
  readonly #rules = new Map<string, { version: number; rule: RuleRecord }>()

  constructor(lines: readonly Taken[]) {
    for (const line of lines) {
      const [kind, name, version] = line
      if (kind === 'k') this.#addKey(name, version, line[3])
      else if (kind === 's') this.#signingKeys.add(name)
      else if (kind === 'r') this.#addRule(name, version, line[3])
      else if (version >= (this.#tenants.get(name)?.version ?? 0))
        this.#tenants.set(name, { version, state: line[3] })
    }
  }

  /** Nothing gives a key back: what is worst for it counts, and of equals the later version. */
  #addKey(digest: string, version: number, what: 'revoked' | 'changed' | 'gone'): void {
    const known = this.#keys.get(digest)
    if (known?.what === 'revoked') return
    if (what === 'revoked' || version >= (known?.version ?? 0)) this.#keys.set(digest, { version, what })
  }

  tenant(record: TenantGrant): TenantGrant {
    const taken = this.#tenants.get(record.slug)
    return taken === undefined || taken.version < record.version ? record : { ...record, state: taken.state }
  }

  /** The last note counts, unless its process was behind another one's. */
  #addRule(id: string, version: number, rule: RuleRecord): void {
    const known = this.#rules.get(id)
    if (known === undefined) this.#rules.set(id, { version, rule })
    else if (version >= known.rule.version)
      this.#rules.set(id, { version: Math.max(version, known.version), rule })
  }

  /** What is known of a rule by now. */
  rule(record: RuleRecord): RuleRecord {
    const noted = this.#rules.get(record.id)
    return noted === undefined || noted.version < record.version ? record : noted.rule
  }

  /** All rules that were noted: also those that the snapshot did not have yet. */
  get rules(): readonly RuleRecord[] {
    return [...this.#rules.values()].map(({ rule }) => rule)
  }

  hasSigningKey({ kid }: SigningKey): boolean {
    return !this.#signingKeys.has(kid)
  }

  /** null: nobody knows what the key may do by now. */
  key(record: KeyRecord): KeyRecord | null {
    const taken = this.#keys.get(record.digest)
    if (taken === undefined) return record
    if (taken.what === 'revoked') return { ...record, isRevoked: true }
    const isOlder = taken.what === 'gone' ? record.version <= taken.version : record.version < taken.version
    return isOlder ? null : record
  }
}
