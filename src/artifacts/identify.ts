import type { Identity } from '../model/artifact/identity.ts'
import type { Route } from '../model/route.ts'
import { ECOSYSTEMS } from './kinds.ts'

/** Begins the path of a file that is fetched through a route from another host than its upstream: `/~/<host>/<path there>`. */
const OTHER_HOST = '/~/'

/** What identification needs of a route. */
export type IdentifiedRoute = Pick<Route, 'kind' | 'packageOrigin'> & {
  readonly upstream: Pick<Route['upstream'], 'origin'>
}

/** Vendor of the packages of an apt route that names none. */
const DEFAULT_VENDOR = 'debian'

/**
 * What a request to this route is about. `target` is its path below the route's, as received or as an entry has it, with its query:
 * starts with '/'. Pure; never throws; linear in the target's length.
 */
export function identify(route: IdentifiedRoute, method: string, target: string): Identity {
  const mark = target.indexOf('?')
  const path = pathThere(mark === -1 ? target : target.slice(0, mark))
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
  return end === -1 ? '/' : path.slice(end)
}

/** Of each route, as its entries share it. */
const origins = new WeakMap<IdentifiedRoute, string>()

/** Where a route's packages come from, as package URLs name it: see `Route`. */
function originOf(route: IdentifiedRoute): string {
  if (route.packageOrigin !== undefined) return route.packageOrigin
  if (route.kind === 'apt') return DEFAULT_VENDOR
  const known = origins.get(route)
  if (known !== undefined) return known
  const { origin } = route.upstream
  const host = origin.slice(origin.indexOf('://') + '://'.length).toLowerCase()
  origins.set(route, host)
  return host
}
