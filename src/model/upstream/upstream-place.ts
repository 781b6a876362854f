import type { Route } from '../route.ts'

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
