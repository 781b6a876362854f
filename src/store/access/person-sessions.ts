import type { Person } from '../../model/admin/oidc.ts'
import type { Sql } from '../sql.ts'

/** Opens a session of a person, and removes those that have ended. Resolves with its end. */
export async function openPersonSession(
  sql: Sql,
  { digest, person, ttlMs }: { readonly digest: string; readonly person: Person; readonly ttlMs: number },
): Promise<Date> {
  const { issuer, subject, name, values } = person
  await sql`DELETE FROM admin_sessions WHERE expires_at < now()`
  const [row] = await sql<{ expires_at: Date }[]>`
    INSERT INTO admin_sessions (digest, expires_at, issuer, subject, name, claimed)
    VALUES (${digest}, now() + ${ttlMs / 1000}::float8 * interval '1 second', ${issuer}, ${subject}, ${name}, ${[...values]})
    RETURNING expires_at`
  if (row === undefined) throw new Error('the session was not stored')
  return row.expires_at
}

/** Whether there is such a tenant, and it is not deleted. */
export async function isTenantThere(sql: Sql, slug: string): Promise<boolean> {
  const rows = await sql`SELECT FROM tenants WHERE slug = ${slug} AND state <> 'deleted'`
  return rows.length > 0
}
