import type { Sql } from '../sql.ts'

/** More tenants than this are not looked through for one that was meant. */
const MAX_TENANTS = 100_000
/** The newest roll-ups: a name that was not asked for in so many minutes is not found. */
const RECENT_ROLL_UPS = 100_000

/** Slugs of tenants that are not deleted, of about the same length: for "did you mean". */
export async function tenantsLike(sql: Sql, slug: string): Promise<string[]> {
  const rows = await sql<{ slug: string }[]>`
    SELECT slug FROM tenants
    WHERE state <> 'deleted' AND length(slug) BETWEEN ${slug.length - 3} AND ${slug.length + 3}
    ORDER BY slug LIMIT ${MAX_TENANTS}`
  return rows.map((row) => row.slug)
}

/** Names of the routes that were asked for lately, as far as that is rolled up. */
export async function recentRoutes(sql: Sql): Promise<string[]> {
  const rows = await sql<{ route: string }[]>`
    SELECT DISTINCT route FROM (SELECT route FROM figures_routes WHERE step = 1 ORDER BY minute DESC LIMIT ${RECENT_ROLL_UPS}) recent
    WHERE route <> '' ORDER BY route`
  return rows.map((row) => row.route)
}

/** Whether the ledger has entries of a tenant: also of one that is not there, in a database that was put together anew. */
export async function isInLedger(sql: Sql, slug: string): Promise<boolean> {
  const found = await sql`
    SELECT FROM access_ledger WHERE tenants ? ${slug} OR dropped ? ${slug}
    UNION ALL SELECT FROM access_checkpoints WHERE accounts ? ${slug} LIMIT 1`
  return found.length > 0
}
