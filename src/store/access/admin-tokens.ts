import type { Person } from '../../model/admin/oidc.ts'
import type { AdminRole, Principal } from '../../model/admin/principal.ts'
import { StoreError } from '../errors.ts'
import { sqlStateOf, type Sql, type TransactionSql } from '../sql.ts'

/** read_only_sql_transaction. */
const READ_ONLY = '25006'

/** A token of the admin API as the control plane shows it; its text exists nowhere. */
export interface AdminToken {
  readonly id: string
  readonly name: string
  readonly role: AdminRole
  /** What a token of the role `tenant` sees; null for the others. */
  readonly tenant: string | null
  readonly createdAt: Date
  readonly expiresAt: Date | null
  readonly revokedAt: Date | null
  /** Coarse: written once a minute at most. */
  readonly lastUsedAt: Date | null
  readonly state: 'active' | 'expired' | 'revoked'
}

/** A token to be stored. */
export interface NewAdminToken {
  readonly id: string
  /** `digestKey` of its text. */
  readonly digest: string
  readonly name: string
  readonly role: AdminRole
  readonly tenant: string | null
  readonly expiresAt: Date | null
}

/** Stores a new token. Rejects with StoreError `tenant_not_found`. */
export async function insertAdminToken(
  sql: Sql | TransactionSql,
  { id, digest, name, role, tenant, expiresAt }: NewAdminToken,
): Promise<AdminToken> {
  try {
    await sql`
      INSERT INTO admin_tokens (id, digest, name, role, tenant, expires_at)
      VALUES (${id}, ${digest}, ${name}, ${role}, ${tenant}, ${expiresAt})`
  } catch (error) {
    if (sqlStateOf(error) !== '23503') throw error
    throw new StoreError('tenant_not_found', `there is no tenant ${tenant ?? ''}`, { cause: error })
  }
  return await readToken(sql, id)
}

/** Which tokens are listed. */
export interface TokenListing {
  readonly includeInactive?: boolean
  /** Id of the last token of the page before. */
  readonly after?: string
  /** All unless told. */
  readonly limit?: number
}

/** Tokens, newest first; expired and revoked ones only when asked for. */
export async function listAdminTokens(
  sql: Sql | TransactionSql,
  options: TokenListing = {},
): Promise<AdminToken[]> {
  const { includeInactive = false, after, limit } = options
  const behind = (id: string) => sql`AND EXISTS (
    SELECT FROM admin_tokens a WHERE a.id = ${id} AND
      (t.created_at < a.created_at OR (t.created_at = a.created_at AND t.id > a.id)))`
  return await sql<AdminToken[]>`
    ${selectTokens(sql)} WHERE true
    ${includeInactive ? sql`` : sql`AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())`}
    ${after === undefined ? sql`` : behind(after)}
    ORDER BY created_at DESC, id ${limit === undefined ? sql`` : sql`LIMIT ${limit}`}`
}

/** Revokes a token for ever; its sessions end with it. `changed` is false when it was revoked before. Rejects with `token_not_found`. */
export async function revokeAdminToken(
  sql: Sql | TransactionSql,
  id: string,
): Promise<{ token: AdminToken; changed: boolean }> {
  const revoked = await sql`
    UPDATE admin_tokens SET revoked_at = clock_timestamp() WHERE id = ${id} AND revoked_at IS NULL RETURNING id`
  return { token: await readToken(sql, id), changed: revoked.length > 0 }
}

/**
 * Whose token this is, and notes its use, where that can be written; null for one that is unknown, expired, revoked, or of a tenant that was
 * deleted.
 */
export async function principalOfToken(sql: Sql, digest: string): Promise<Principal | null> {
  const [row] = await sql<(PrincipalRow & { is_touched: boolean })[]>`
    ${selectPrincipals(sql, sql`, coalesce(t.last_used_at >= now() - interval '1 minute', false) AS is_touched`)}
    WHERE t.digest = ${digest} AND ${isInForce(sql)}`
  if (row === undefined) return null
  if (!row.is_touched) await noteUse(sql, row.id)
  return toPrincipal(row)
}

/** A statement of its own: a database that is read only, as a standby is, still tells whose token it is. */
async function noteUse(sql: Sql, id: string): Promise<void> {
  try {
    await sql`
      UPDATE admin_tokens SET last_used_at = now()
      WHERE id = ${id} AND (last_used_at IS NULL OR last_used_at < now() - interval '1 minute')`
  } catch (error) {
    if (sqlStateOf(error) !== READ_ONLY) throw error
  }
}

/** Opens a session, and removes those that have ended. `tokenId` is null for one of the configured token. */
export async function openAdminSession(
  sql: Sql,
  session: { readonly digest: string; readonly tokenId: string | null; readonly ttlMs: number },
): Promise<Date> {
  await sql`DELETE FROM admin_sessions WHERE expires_at < now()`
  const [row] = await sql<{ expires_at: Date }[]>`
    INSERT INTO admin_sessions (digest, token_id, expires_at)
    SELECT ${session.digest}, ${session.tokenId}, least(now() + ${session.ttlMs / 1000}::float8 * interval '1 second',
      (SELECT expires_at FROM admin_tokens WHERE id = ${session.tokenId}))
    RETURNING expires_at`
  if (row === undefined) throw new Error('the session was not stored')
  return row.expires_at
}

/** Digests of a session's cookie: as that of a session of a stored token or a person, and as that of one of the configured token; null for none. */
export interface SessionDigests {
  readonly ofToken: string
  readonly ofConfigured: string | null
}

/** Whose session it is: of a token's owner, of the configured token, or of a person who signed in with OpenID Connect. */
export type SessionOwner =
  | { readonly kind: 'token'; readonly principal: Principal }
  | { readonly kind: 'configured' }
  /** `sinceMs`: for how long it has been open. */
  | { readonly kind: 'person'; readonly person: Person; readonly sinceMs: number }

/** Whose session this is, and when it ends; null for none. */
export async function findAdminSession(
  sql: Sql,
  { ofToken, ofConfigured }: SessionDigests,
): Promise<{ readonly owner: SessionOwner; readonly expiresAt: Date } | null> {
  const [row] = await sql<SessionRow[]>`
    SELECT p.*, s.expires_at AS session_expires_at, s.token_id IS NULL AS is_tokenless,
      s.issuer, s.subject, s.name AS person, s.claimed,
      (extract(epoch FROM now() - s.created_at) * 1000)::float8 AS since_ms
    FROM admin_sessions s LEFT JOIN (${selectPrincipals(sql)} WHERE ${isInForce(sql)}) p ON p.id = s.token_id
    WHERE s.digest = ANY (${[ofToken, ofConfigured ?? ofToken]}::text[]) AND s.expires_at > now()
      AND CASE WHEN s.digest = ${ofToken} THEN p.id IS NOT NULL OR s.issuer IS NOT NULL
        ELSE s.token_id IS NULL AND s.issuer IS NULL END`
  return row === undefined ? null : { owner: ownerOf(row), expiresAt: row.session_expires_at }
}

/** Ends the sessions with these digests; nothing where there is none. */
export async function endAdminSession(sql: Sql, digests: readonly string[]): Promise<void> {
  await sql`DELETE FROM admin_sessions WHERE digest = ANY (${[...digests]}::text[])`
}

interface PrincipalRow {
  readonly id: string
  readonly name: string
  readonly role: AdminRole
  readonly tenant: string | null
}

interface SessionRow extends PrincipalRow {
  readonly session_expires_at: Date
  readonly is_tokenless: boolean
  readonly issuer: string | null
  readonly subject: string | null
  readonly person: string | null
  readonly claimed: readonly string[] | null
  readonly since_ms: number
}

function ownerOf(row: SessionRow): SessionOwner {
  if (!row.is_tokenless) return { kind: 'token', principal: toPrincipal(row) }
  const { issuer, subject, person: name, claimed: values, since_ms: sinceMs } = row
  if (issuer === null || subject === null || name === null || values === null) return { kind: 'configured' }
  return { kind: 'person', person: { issuer, subject, name, values }, sinceMs }
}

function toPrincipal({ id, name, role, tenant }: PrincipalRow): Principal {
  return { name, role, tenant, kind: 'token', tokenId: id }
}

function selectPrincipals(sql: Sql, more = sql``) {
  return sql`
    SELECT t.id, t.name, t.role, t.tenant ${more} FROM admin_tokens t LEFT JOIN tenants o ON o.slug = t.tenant`
}

/** Whether the token `t` opens anything; `o` is its tenant, by a left join. */
export function isInForce(sql: Sql) {
  return sql`t.revoked_at IS NULL AND (t.expires_at IS NULL OR t.expires_at > now()) AND o.state IS DISTINCT FROM 'deleted'`
}

function selectTokens(sql: Sql | TransactionSql) {
  return sql`
    SELECT id, name, role, tenant, created_at AS "createdAt", expires_at AS "expiresAt", revoked_at AS "revokedAt",
      last_used_at AS "lastUsedAt",
      CASE WHEN revoked_at IS NOT NULL THEN 'revoked' WHEN expires_at <= now() THEN 'expired' ELSE 'active' END AS state
    FROM admin_tokens t`
}

async function readToken(sql: Sql | TransactionSql, id: string): Promise<AdminToken> {
  const [token] = await sql<AdminToken[]>`${selectTokens(sql)} WHERE id = ${id}`
  if (token === undefined) throw new StoreError('token_not_found', `there is no admin token ${id}`)
  return token
}
