import type { Config } from '../config/config.ts'
import { didYouMean, nearestName } from '../lib/near-name.ts'
import { type Sql, sqlStateOf } from '../store/sql.ts'
import { getTenant } from '../store/directory/tenants.ts'
import { recentRoutes, tenantsLike } from '../store/directory/names.ts'
import { getKey } from '../store/directory/keys.ts'
import { CommandError } from './errors.ts'

/**
 * Throws a `CommandError` for a tenant that there has never been, with the one that may have been meant: an empty report would
 * look like an answer. Deleted tenants are known, and so are those that only the ledger has, of a database that was put together anew.
 */
export async function requireTenant(sql: Sql, slug: string | undefined): Promise<void> {
  if (slug === undefined || (await getTenant(sql, slug)) !== null) return
  const inLedger = await ifPermitted(sql`
    SELECT FROM access_ledger WHERE tenants ? ${slug} OR dropped ? ${slug}
    UNION ALL SELECT FROM access_checkpoints WHERE accounts ? ${slug} LIMIT 1`)
  if (inLedger.length > 0) return
  const hint = didYouMean(slug, await tenantsLike(sql, slug))
  throw new CommandError(`there is no tenant ${slug}, and the ledger has none of that name${hint}`)
}

/** That there is no such tenant, and which may have been meant. */
export async function noTenant(sql: Sql, slug: string): Promise<CommandError> {
  return new CommandError(`there is no tenant ${slug}${didYouMean(slug, await tenantsLike(sql, slug))}`)
}

/** Throws a `CommandError` for a key that there has never been. */
export async function requireKey(sql: Sql, id: string | undefined): Promise<void> {
  if (id === undefined || (await getKey(sql, id)) !== null) return
  throw new CommandError(`there is no key ${id}`)
}

/** A name of a route that is nowhere. */
export interface RouteProblem {
  readonly text: string
  /** The one that may have been meant. */
  readonly meant: string | null
  /** All that are known. */
  readonly known: readonly string[]
}

/** What is wrong with the name of a route; null when there is none, or the file or the log has it. */
export async function routeProblem(
  sql: Sql,
  { routeNames }: Config,
  name: string | undefined,
): Promise<RouteProblem | null> {
  if (name === undefined || routeNames.includes(name)) return null
  const recent = await ifPermitted(recentRoutes(sql))
  if (recent.includes(name)) return null
  const known = [...new Set([...routeNames, ...recent])]
  const where = routeNames.length === 0 ? 'the log' : 'the configuration and the log'
  const text = `no route of ${where} is named ${name}${didYouMean(name, known)}`
  return { text, meant: nearestName(name, known), known }
}

/** Nothing where the role may not read: what only makes a message better must not fail a command that does without. */
async function ifPermitted<T>(rows: PromiseLike<readonly T[]>): Promise<readonly T[]> {
  try {
    return await rows
  } catch (error) {
    if (sqlStateOf(error) === '42501') return []
    throw error
  }
}
