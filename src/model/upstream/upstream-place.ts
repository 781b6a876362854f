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

/** Whether an origin is the route's own upstream as it is written, or one of its several addresses. */
export function isUpstreamOrigin({ upstream }: Route, origin: string): boolean {
  return upstream.origin === origin || upstream.origins?.includes(origin) === true
}

/** Host and port of an origin, as an entry's `upstream` has them. */
export function hostOf(origin: string): string {
  return origin.slice(origin.indexOf('//') + 2)
}
