import { rateOf } from '../../model/rate-limit.ts'
import type { RateLimit } from '../../model/route.ts'
import { StoreError } from '../errors.ts'
import { inTransaction, type Sql, sqlStateOf, type TransactionSql } from '../sql.ts'
import { isTenantDeleted, tenantDeleted } from './tenants.ts'

/** A key as the control plane shows it; its text exists nowhere. */
export interface ApiKey {
  readonly id: string
  readonly tenant: string
  readonly name: string | null
  readonly scopes: readonly string[]
  /** Networks in CIDR notation that it may be used from; none means all. */
  readonly allowNetworks: readonly string[]
  readonly rateLimit: RateLimit | null
  readonly expiresAt: Date | null
  readonly revokedAt: Date | null
  /** Id of the key that replaces it. */
  readonly rotatedTo: string | null
  readonly createdAt: Date
  /** Coarse: gateways write it about once a minute. */
  readonly lastUsedAt: Date | null
  /** Grows by one with each change. */
  readonly version: number
  readonly state: 'active' | 'expired' | 'revoked'
}

/** A key to be stored. */
export interface NewKey {
  readonly id: string
  /** `digestKey` of its text. */
  readonly digest: string
  readonly tenant: string
  readonly name: string | null
  readonly scopes: readonly string[]
  readonly allowNetworks: readonly string[]
  readonly rateLimit: RateLimit | null
  readonly expiresAt: Date | null
}

/** What may be changed of a key; undefined leaves, null removes. */
export type KeyChanges = Partial<Pick<NewKey, 'name' | 'rateLimit' | 'expiresAt'>>

interface KeyRow {
  id: string
  tenant: string
  name: string | null
  scopes: string[]
  allow_networks: string[]
  rate_per_second: number | null
  rate_burst: number | null
  expires_at: Date | null
  revoked_at: Date | null
  rotated_to: string | null
  created_at: Date
  last_used_at: Date | null
  version: number
  state: ApiKey['state']
}

/** Stores a new key. Rejects with StoreError `tenant_not_found`, `tenant_deleted` or `key_exists`. */
export async function insertKey(sql: Sql | TransactionSql, key: NewKey): Promise<ApiKey> {
  try {
    await sql`
      INSERT INTO api_keys (id, digest, tenant, name, scopes, allow_networks, rate_per_second, rate_burst, expires_at)
      VALUES (${key.id}, ${key.digest}, ${key.tenant}, ${key.name}, ${[...key.scopes]}, ${networksOf(sql, key.allowNetworks)},
              ${key.rateLimit?.perSecond ?? null}, ${key.rateLimit?.burst ?? null}, ${key.expiresAt})`
  } catch (error) {
    if (isTenantDeleted(error)) throw tenantDeleted(key.tenant)
    if (sqlStateOf(error) === '23503') {
      throw new StoreError('tenant_not_found', `there is no tenant ${key.tenant}`, { cause: error })
    }
    if (sqlStateOf(error) === '23505') {
      throw new StoreError('key_exists', `key ${key.id} exists already`, { cause: error })
    }
    throw error
  }
  return await readKey(sql, key.id)
}

/** Which keys are listed. */
export interface KeyListing {
  readonly tenant?: string
  readonly includeInactive?: boolean
  /** Id of the last key of the page before. */
  readonly after?: string
  /** All unless told. */
  readonly limit?: number
}

/** Keys by tenant, newest first; expired and revoked ones only when asked for. */
export async function listKeys(sql: Sql, options: KeyListing = {}): Promise<ApiKey[]> {
  const { tenant, includeInactive, after, limit } = options
  const behind = (id: string) => sql`AND EXISTS (
    SELECT FROM api_keys a WHERE a.id = ${id} AND (k.tenant > a.tenant OR
      (k.tenant = a.tenant AND (k.created_at < a.created_at OR (k.created_at = a.created_at AND k.id > a.id)))))`
  const rows = await sql<KeyRow[]>`
    ${selectKeys(sql)}
    WHERE ${tenant === undefined ? sql`true` : sql`k.tenant = ${tenant}`}
      ${includeInactive === true ? sql`` : sql`AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now())`}
      ${after === undefined ? sql`` : behind(after)}
    ORDER BY k.tenant, k.created_at DESC, k.id ${limit === undefined ? sql`` : sql`LIMIT ${limit}`}`
  return rows.map(toKey)
}

/** The key with this public id, in any state; null when there is none. */
export async function getKey(sql: Sql, id: string): Promise<ApiKey | null> {
  const [row] = await sql<KeyRow[]>`${selectKeys(sql)} WHERE k.id = ${id}`
  return row === undefined ? null : toKey(row)
}

/**
 * Changes a key that is not revoked: undefined leaves, null removes. With `ifVersion`, only while it still has that version.
 * Rejects with StoreError `key_not_found`, `key_revoked` or `stale_version`, having changed nothing.
 */
export async function updateKey(
  sql: Sql | TransactionSql,
  id: string,
  changes: KeyChanges,
  ifVersion: number | null,
): Promise<ApiKey> {
  return await inTransaction(sql, async (tx) => {
    const key = await lockKey(tx, id)
    if (key.revokedAt !== null) throw keyRevoked(id)
    if (ifVersion !== null && ifVersion !== key.version) {
      throw new StoreError('stale_version', `key ${id} has been changed meanwhile: read it again`)
    }
    const name = changes.name === undefined ? key.name : changes.name
    const rate = changes.rateLimit === undefined ? key.rateLimit : changes.rateLimit
    await tx`
      UPDATE api_keys SET name = ${name}, rate_per_second = ${rate?.perSecond ?? null}, rate_burst = ${rate?.burst ?? null}
        ${changes.expiresAt === undefined ? tx`` : tx`, expires_at = ${changes.expiresAt}`}
      WHERE id = ${id}`
    return await readKey(tx, id)
  })
}

/**
 * Replaces an active key in one transaction: the new one takes over name, scopes, networks and limits, and lives as long from
 * now as the old one was meant to from its creation; the old one stays valid for `overlapMs`, or until its own expiry when that
 * is sooner. Rejects with StoreError `key_not_found`, `key_revoked`, `key_expired`, or `key_rotated` when it has
 * been replaced before.
 */
export async function rotateKey(
  sql: Sql | TransactionSql,
  id: string,
  next: { readonly id: string; readonly digest: string },
  overlapMs: number,
): Promise<{ old: ApiKey; new: ApiKey }> {
  return await inTransaction(sql, async (tx) => {
    // Tenant before key, as the deletion of a tenant locks them: the insert below needs the tenant, and would deadlock.
    await tx`SELECT FROM tenants WHERE slug = (SELECT tenant FROM api_keys WHERE id = ${id}) FOR SHARE`
    const key = await lockKey(tx, id)
    if (key.state === 'revoked') throw keyRevoked(id)
    if (key.state === 'expired') throw new StoreError('key_expired', `key ${id} has expired`)
    if (key.rotatedTo !== null) {
      throw new StoreError(
        'key_rotated',
        `key ${id} has been rotated before: its successor is ${key.rotatedTo}`,
      )
    }
    await tx`
      INSERT INTO api_keys (id, digest, tenant, name, scopes, allow_networks, rate_per_second, rate_burst, expires_at)
      SELECT ${next.id}, ${next.digest}, tenant, name, scopes, allow_networks, rate_per_second, rate_burst,
             now() + (expires_at - created_at)
      FROM api_keys WHERE id = ${id}`
    // least() ignores nulls: a key without expiry ends with the overlap.
    await tx`
      UPDATE api_keys SET rotated_to = ${next.id},
        expires_at = least(expires_at, now() + ${overlapMs / 1000}::float8 * interval '1 second')
      WHERE id = ${id}`
    return { old: await readKey(tx, id), new: await readKey(tx, next.id) }
  })
}

/** Revokes a key for ever; `changed` is false, and its time stays, when it was revoked before. Rejects with `key_not_found`. */
export async function revokeKey(
  sql: Sql | TransactionSql,
  id: string,
): Promise<{ key: ApiKey; changed: boolean }> {
  // The condition is checked again after a wait for a concurrent revocation, so exactly one of them changes the row.
  const revoked = await sql`
    UPDATE api_keys SET revoked_at = clock_timestamp() WHERE id = ${id} AND revoked_at IS NULL RETURNING id`
  return { key: await readKey(sql, id), changed: revoked.length > 0 }
}

/**
 * Writes when keys were last used (id → epoch milliseconds), all in one statement; a time only moves forward, an unknown id is
 * ignored.
 */
export async function touchKeys(sql: Sql, uses: ReadonlyMap<string, number>): Promise<void> {
  if (uses.size === 0) return
  // In the order of the ids: gateways that write at the same time cannot deadlock.
  await sql`
    INSERT INTO api_key_uses AS u (key_id, last_used_at)
    SELECT k.id, to_timestamp(n.at_ms / 1000)
    FROM unnest(${[...uses.keys()]}::text[], ${[...uses.values()]}::float8[]) AS n (id, at_ms) JOIN api_keys k USING (id)
    ORDER BY k.id
    ON CONFLICT (key_id) DO UPDATE SET last_used_at = excluded.last_used_at
    WHERE u.last_used_at < excluded.last_used_at`
}

/** As networks: 10.1.2.3/8 is meant as 10.0.0.0/8, which `cidr` would refuse. */
function networksOf(sql: Sql | TransactionSql, networks: readonly string[]) {
  return sql`ARRAY(SELECT network(n::inet) FROM unnest(${[...networks]}::text[]) WITH ORDINALITY AS l (n, i) ORDER BY i)`
}

function keyRevoked(id: string): StoreError {
  return new StoreError('key_revoked', `key ${id} is revoked, which is final`)
}

function selectKeys(sql: Sql | TransactionSql) {
  return sql`
    SELECT k.id, k.tenant, k.name, k.scopes, k.allow_networks::text[] AS allow_networks, k.rate_per_second, k.rate_burst,
      k.expires_at, k.revoked_at, k.rotated_to, k.created_at, u.last_used_at, k.version,
      CASE WHEN k.revoked_at IS NOT NULL THEN 'revoked' WHEN k.expires_at <= now() THEN 'expired' ELSE 'active' END AS state
    FROM api_keys k LEFT JOIN api_key_uses u ON u.key_id = k.id`
}

async function lockKey(tx: TransactionSql, id: string): Promise<ApiKey> {
  await tx`SELECT FROM api_keys WHERE id = ${id} FOR NO KEY UPDATE`
  return await readKey(tx, id)
}

async function readKey(sql: Sql | TransactionSql, id: string): Promise<ApiKey> {
  const [row] = await sql<KeyRow[]>`${selectKeys(sql)} WHERE k.id = ${id}`
  if (row === undefined) throw new StoreError('key_not_found', `there is no key ${id}`)
  return toKey(row)
}

function toKey(row: KeyRow): ApiKey {
  return {
    id: row.id,
    tenant: row.tenant,
    name: row.name,
    scopes: row.scopes,
    allowNetworks: row.allow_networks,
    rateLimit: rateOf(row.rate_per_second, row.rate_burst),
    expiresAt: row.expires_at,
    revokedAt: row.revoked_at,
    rotatedTo: row.rotated_to,
    createdAt: row.created_at,
    lastUsedAt: row.last_used_at,
    version: row.version,
    state: row.state,
  }
}
