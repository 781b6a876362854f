import type { Config } from '../config/config.ts'
import { didYouMean, nearestName } from '../lib/near-name.ts'
import { CommandError } from './errors.ts'
import type { NamePort } from './plane/plane.ts'

/**
 * Throws a `CommandError` for a tenant that there has never been, with the one that may have been meant: an empty report would
 * look like an answer. Deleted tenants are known, and so are those that only the ledger has, of a database that was put together anew.
 */
export async function requireTenant(names: NamePort, slug: string | undefined): Promise<void> {
  if (slug === undefined || (await names.getTenant(slug)) !== null) return
  if (await names.isInLedger(slug)) return
  const hint = didYouMean(slug, await names.tenantsLike(slug))
  throw new CommandError(`there is no tenant ${slug}, and the ledger has none of that name${hint}`)
}

/** That there is no such tenant, and which may have been meant. */
export async function noTenant(names: NamePort, slug: string): Promise<CommandError> {
  return new CommandError(`there is no tenant ${slug}${didYouMean(slug, await names.tenantsLike(slug))}`)
}

/** Throws a `CommandError` for a key that there has never been. */
export async function requireKey(names: NamePort, id: string | undefined): Promise<void> {
  if (id === undefined || (await names.getKey(id)) !== null) return
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
  names: NamePort,
  { routeNames }: Config,
  name: string | undefined,
): Promise<RouteProblem | null> {
  if (name === undefined || routeNames.includes(name)) return null
  const recent = await names.recentRoutes()
  if (recent.includes(name)) return null
  const known = [...new Set([...routeNames, ...recent])]
  const where = routeNames.length === 0 ? 'the log' : 'the configuration and the log'
  const text = `no route of ${where} is named ${name}${didYouMean(name, known)}`
  return { text, meant: nearestName(name, known), known }
}
