import { hostRank, takesHost, type Route } from '../../model/route.ts'
import { OwnRoots } from './own-roots.ts'
import { readingsOf } from './path-readings.ts'
import { isUnambiguousPath } from './target.ts'

/** A route, and the path with its beginning as the route writes it; all behind that as received. */
export interface Routed {
  readonly route: Route
  readonly path: string
}

/** The routes of one configuration, arranged for look-up. Immutable: a reload replaces it whole. */
export class RouteTable {
  readonly routes: readonly Route[]
  /** Where the gateway answers for all routes of a kind. */
  readonly own: OwnRoots
  /** First path segment → candidates, host-bound first, then longest path first. '' holds the routes at '/'. */
  readonly #bySegment: ReadonlyMap<string, readonly Route[]>
  /** Segments of the longest path of a route. */
  readonly #depth: number

  constructor(routes: readonly Route[]) {
    this.routes = routes
    this.own = new OwnRoots(routes)
    const bySegment = new Map<string, Route[]>()
    const ordered = routes.toSorted(
      (a, b) => hostRank(b.host) - hostRank(a.host) || b.path.length - a.path.length,
    )
    for (const route of ordered) {
      const segment = firstSegment(route.path)
      bySegment.set(segment, [...(bySegment.get(segment) ?? []), route])
    }
    this.#bySegment = bySegment
    this.#depth = Math.max(0, ...routes.map(({ path }) => path.split('/').length))
  }

  /**
   * The route of a path that has one reading only: longest path by whole segments wins, a route bound to the host before one that is bound to all
   * below a name, and that before one that is not.
   * `/npm` matches the route `/npm/`. Case matters in paths, not in hosts (`host` is lower case).
   */
  match(host: string, path: string): Route | null {
    const segment = firstSegment(path)
    const candidates = this.#bySegment.get(segment)
    const found = candidates === undefined ? null : firstMatch(candidates, host, path)
    const atRoot = this.#bySegment.get('')
    if (atRoot === undefined || segment === '') return found
    const root = firstMatch(atRoot, host, path)
    if (found === null || root === null) return found ?? root
    return hostRank(root.host) > hostRank(found.host) ? root : found
  }

  /**
   * The route of a path that servers read in several ways, see `readingsOf`: the one that every reading leads to. 'ambiguous' when two
   * lead to two, or nobody may send such a path to this route. What was received and is no route's is not a reading: the beginning is
   * not forwarded, so `/%6epm/x` is `/npm/x`.
   */
  matchSpecial(host: string, path: string): Routed | 'ambiguous' | null {
    const readings = readingsOf(path, this.#depth)
    if (readings === null) return 'ambiguous'
    let route: Route | null | undefined
    for (const reading of readings) {
      const other = this.match(host, reading)
      if (route !== undefined && other !== route) return 'ambiguous'
      route = other
    }
    const asReceived = this.match(host, path)
    if (asReceived !== null && asReceived !== route) return 'ambiguous'
    if (route?.rules.paths !== 'verbatim' && !isUnambiguousPath(path)) return 'ambiguous'
    if (route === null || route === undefined) return null
    if (path.startsWith(route.path)) return { route, path }
    // One segment after the other: the beginning is another spelling of the same letters, or too strange to be replaced.
    const start = endOfSegments(path, route.path.split('/').length - 1)
    const [prefix = ''] = readingsOf(path.slice(0, start), this.#depth) ?? []
    if (prefix !== route.path && `${prefix}/` !== route.path) return 'ambiguous'
    return { route, path: prefix + path.slice(start) }
  }
}

function firstMatch(candidates: readonly Route[], host: string, path: string): Route | null {
  for (const route of candidates) {
    if (route.host !== null && !takesHost(route.host, host)) continue
    if (path.startsWith(route.path)) return route
    if (path.length === route.path.length - 1 && route.path.startsWith(path)) return route
  }
  return null
}

function firstSegment(path: string): string {
  const end = path.indexOf('/', 1)
  return path.slice(1, end === -1 ? undefined : end)
}

/** Index behind the `count`-th slash, or the length of a path that has fewer. */
function endOfSegments(path: string, count: number): number {
  let at = 0
  for (let i = 0; i < count; i++) {
    const slash = path.indexOf('/', at)
    if (slash === -1) return path.length
    at = slash + 1
  }
  return at
}
