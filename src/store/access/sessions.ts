import { StoreError } from '../errors.ts'
import type { Sql, TransactionSql } from '../sql.ts'
import { isInForce } from './admin-tokens.ts'

/** A session of a browser, as it is shown: nothing tells of its cookie. */
export interface AdminSession {
  readonly id: string
  /** By which one signed in. */
  readonly kind: 'token' | 'configured' | 'oidc'
  /** Of the token, or the person; null for the configured token. */
  readonly name: string | null
  readonly tokenId: string | null
  readonly issuer: string | null
  readonly subject: string | null
  readonly createdAt: Date
  readonly expiresAt: Date
}

/** Which sessions are listed: those that hold. */
export interface SessionListing {
  /** Of this person, in whichever issuer. */
  readonly subject?: string
  /** Id of the last session of the page before. */
  readonly after?: string
  readonly limit: number
}

/** Sessions that hold, newest first. Those of a token that is not in force are none. */
export async function listSessions(
  sql: Sql,
  { subject, after, limit }: SessionListing,
): Promise<AdminSession[]> {
  const behind = (id: string) => sql`AND EXISTS (
    SELECT FROM admin_sessions a WHERE a.id = ${id} AND
      (s.created_at < a.created_at OR (s.created_at = a.created_at AND s.id > a.id)))`
  return await sql<AdminSession[]>`
    ${selectSessions(sql)}
    WHERE s.expires_at > now() AND (s.token_id IS NULL OR (${isInForce(sql)}))
      ${subject === undefined ? sql`` : sql`AND s.subject = ${subject}`}
      ${after === undefined ? sql`` : behind(after)}
    ORDER BY s.created_at DESC, s.id LIMIT ${limit}`
}

/** Ends a session; nothing where it has ended. Rejects with StoreError `session_not_found`. */
export async function endSession(sql: Sql | TransactionSql, id: string): Promise<AdminSession> {
  await sql`UPDATE admin_sessions SET expires_at = clock_timestamp() WHERE id = ${id} AND expires_at > clock_timestamp()`
  const [session] = await sql<AdminSession[]>`${selectSessions(sql)} WHERE s.id = ${id}`
  if (session === undefined) throw new StoreError('session_not_found', `there is no session ${id}`)
  return session
}

function selectSessions(sql: Sql | TransactionSql) {
  return sql`
    SELECT s.id, CASE WHEN s.token_id IS NOT NULL THEN 'token' WHEN s.issuer IS NOT NULL THEN 'oidc' ELSE 'configured' END AS kind,
      coalesce(t.name, s.name) AS name, s.token_id AS "tokenId", s.issuer, s.subject, s.created_at AS "createdAt",
      s.expires_at AS "expiresAt"
    FROM admin_sessions s LEFT JOIN admin_tokens t ON t.id = s.token_id LEFT JOIN tenants o ON o.slug = t.tenant`
}
