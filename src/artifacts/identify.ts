import type { Identity } from '../model/artifact/identity.ts'
import type { Route } from '../model/route.ts'
import { NOTHING } from './kind.ts'
import { ECOSYSTEMS } from './kinds.ts'

/** Begins the path of a file that is fetched through a route from another host than its upstream: `/~/<host>/<path there>`. */
const OTHER_HOST = '/~/'
/** Only `capText` puts it into a path: an address has none but `%E2%80%A6`. */
const CUT_MARK = '…'

/** What identification needs of a route. */
export type IdentifiedRoute = Pick<Route, 'kind'> & { readonly upstream: Pick<Route['upstream'], 'origin'> }

/**
 * What a request to this route is about. `target` is its path below the route's, as received or as an entry has it, with its query:
 * starts with '/'. Pure; never throws; linear in the target's length. A path that was cut is about nothing.
 */
export function identify(route: IdentifiedRoute, method: string, target: string): Identity {
  const mark = target.indexOf('?')
  const path = pathThere(mark === -1 ? target : target.slice(0, mark))
  if (path.includes(CUT_MARK)) return NOTHING
  const query = mark === -1 ? '' : target.slice(mark)
  return ECOSYSTEMS[route.kind].identify({ method, path, query, origin: originOf(route) })
}

/** The path below a route's, starting with '/', of a path that this route was found for. */
export function belowRoute({ path: prefix }: Pick<Route, 'path'>, path: string): string {
  // The route at /npm/ takes /npm as well, which may be followed by a query.
  return path.length < prefix.length || path[prefix.length - 1] === '?'
    ? `/${path.slice(prefix.length - 1)}`
    : path.slice(prefix.length - 1)
}

/** A path on another host, where it is one; else as it is. */
function pathThere(path: string): string {
  if (!path.startsWith(OTHER_HOST)) return path
  const end = path.indexOf('/', OTHER_HOST.length)
  return end > OTHER_HOST.length ? path.slice(end) : path
}

/** Where a route's packages come from: host and port of its upstream. */
function originOf({ upstream }: IdentifiedRoute): string {
  return upstream.origin.slice(upstream.origin.indexOf('://') + 3).toLowerCase()
}
