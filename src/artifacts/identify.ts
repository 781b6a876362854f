import type { Identity } from '../model/artifact/identity.ts'
import type { Route } from '../model/route.ts'
import { asksForFiles } from '../model/upstream/files-host.ts'
import { ECOSYSTEMS } from './kinds.ts'

/** Either begins the path of a file that is fetched from a files host: `/~/<host>/<path there>`. */
const TILDE = 0x7e
const PERCENT = 0x25

/** What identification needs of a route. */
export type IdentifiedRoute = Pick<Route, 'kind' | 'packageOrigin'> & {
  readonly upstream: Pick<Route['upstream'], 'origin'> & Partial<Pick<Route['upstream'], 'path'>>
}

/** Vendor of the packages of an apt route that names none. */
const DEFAULT_VENDOR = 'debian'

/**
 * What a request to this route is about. `target` is its path below the route's, as received or as an entry has it, with its query:
 * starts with '/'. Pure; never throws; linear in the target's length.
 */
export function identify(route: IdentifiedRoute, method: string, target: string): Identity {
  const mark = target.indexOf('?')
  const path = mark === -1 ? target : target.slice(0, mark)
  const query = mark === -1 ? '' : target.slice(mark)
  const host = hostOfFiles(path)
  return ECOSYSTEMS[route.kind].identify({
    method,
    path: host === null ? path : pathThere(path),
    query,
    origin: originOf(route, host),
  })
}

/** The path below a route's, starting with '/', of a path that this route was found for. */
export function belowRoute({ path: prefix }: Pick<Route, 'path'>, path: string): string {
  // The route at /npm/ takes /npm as well, which may be followed by a query.
  return path.length < prefix.length || path[prefix.length - 1] === '?'
    ? `/${path.slice(prefix.length - 1)}`
    : path.slice(prefix.length - 1)
}

/** The host, and its port, of a path that leads to a files host of the route; null for a path at the upstream. */
function hostOfFiles(path: string): string | null {
  const code = path.charCodeAt(1)
  if ((code !== TILDE && code !== PERCENT) || !asksForFiles('/', path)) return null
  const start = path.indexOf('/', 1) + 1
  const end = path.indexOf('/', start)
  return path
    .slice(start, end === -1 ? undefined : end)
    .toLowerCase()
    .replace('%3a', ':')
}

/** The path there. */
function pathThere(path: string): string {
  const end = path.indexOf('/', path.indexOf('/', 1) + 1)
  return end === -1 ? '/' : path.slice(end)
}

/** Of each route, as its entries share it. */
const origins = new WeakMap<IdentifiedRoute, string>()

/** Where a route's packages come from, as package URLs name it: see `Route`. '' for the kinds whose package URLs name no such place. */
function originOf(route: IdentifiedRoute, filesHost: string | null): string {
  if (route.packageOrigin !== undefined) return route.packageOrigin
  if (route.kind === 'apt') return DEFAULT_VENDOR
  if (route.kind !== 'oci' && route.kind !== 'git') return ''
  if (filesHost !== null) return filesHost
  const known = origins.get(route)
  if (known !== undefined) return known
  const host = placeOf(route)
  origins.set(route, host)
  return host
}

/**
 * Host, port and path of the upstream; '' where they are different ones for each tenant. A registry has its names below `/v2/`, which is no
 * part of them.
 */
function placeOf({ kind, upstream: { origin, path = '/' } }: IdentifiedRoute): string {
  if (origin.includes('{') || path.includes('{')) return ''
  const host = origin.slice(origin.indexOf('://') + '://'.length).toLowerCase()
  const base = kind === 'oci' && path.startsWith('/v2/') ? path.slice('/v2'.length) : path
  return host + base.slice(0, -1)
}
