import type { Route } from '../model/route.ts'

/** The routes of one configuration, arranged for look-up. Immutable: a reload replaces it whole. */
export class RouteTable {
  readonly routes: readonly Route[]
  /** First path segment → candidates, host-bound first, then longest path first. '' holds the routes at '/'. */
  readonly #bySegment: ReadonlyMap<string, readonly Route[]>

  constructor(routes: readonly Route[]) {
    this.routes = routes
    const bySegment = new Map<string, Route[]>()
    const ordered = routes.toSorted(
      (a, b) => Number(b.host !== null) - Number(a.host !== null) || b.path.length - a.path.length,
    )
    for (const route of ordered) {
      const segment = firstSegment(route.path)
      bySegment.set(segment, [...(bySegment.get(segment) ?? []), route])
    }
    this.#bySegment = bySegment
  }

  /**
   * The route of a path as received: longest path by whole segments wins, a route bound to the host before one that is not.
   * `/npm` matches the route `/npm/`. Case matters in paths, not in hosts (`host` is lower case).
   */
  match(host: string, path: string): Route | null {
    const segment = firstSegment(path)
    const candidates = this.#bySegment.get(segment)
    const found = candidates === undefined ? null : firstMatch(candidates, host, path)
    const atRoot = this.#bySegment.get('')
    if (atRoot === undefined || segment === '' || (found !== null && found.host !== null)) return found
    const root = firstMatch(atRoot, host, path)
    return found === null || (root !== null && root.host !== null) ? root : found
  }
}

function firstMatch(candidates: readonly Route[], host: string, path: string): Route | null {
  for (const route of candidates) {
    if (route.host !== null && route.host !== host) continue
    if (path.startsWith(route.path)) return route
    if (path.length === route.path.length - 1 && route.path.startsWith(path)) return route
  }
  return null
}

function firstSegment(path: string): string {
  const end = path.indexOf('/', 1)
  return path.slice(1, end === -1 ? undefined : end)
}

/** Path and query that the upstream is asked for: the route's prefix replaced, all else verbatim. */
export function upstreamPath(route: Route, path: string, query: string, tenant: string): string {
  const base = route.upstream.path.includes('{tenant}')
    ? route.upstream.path.replaceAll('{tenant}', tenant)
    : route.upstream.path
  if (path.length < route.path.length) return (base.slice(0, -1) || '/') + query
  return base + path.slice(route.path.length) + query
}

/** Origin that the upstream is reached at. */
export function upstreamOrigin(route: Route, tenant: string): string {
  const { origin } = route.upstream
  return origin.includes('{tenant}') ? origin.replaceAll('{tenant}', tenant) : origin
}
