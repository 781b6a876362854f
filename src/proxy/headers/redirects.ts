import { repositoryIn } from '../../model/artifact/oci-name.ts'
import type { Route } from '../../model/route.ts'
import type { FilesPlace } from '../../model/upstream/files-host.ts'
import { localAddress, type RoutePlace } from '../../upstream/addresses/route-addresses.ts'
import { upstreamOrigin, upstreamPath } from '../../model/upstream/upstream-place.ts'
import type { RouteTable } from '../routing/route-table.ts'
import { hostName } from '../routing/target.ts'

/** Fields that name an address of the upstream's (RFC 9110 §10.2.2, §8.7; RFC 8288 §3; Refresh as the HTML standard reads it), by their length. */
const FIELDS: (RegExp | undefined)[] = []
for (const name of ['link', 'refresh', 'location', 'content-location'])
  FIELDS[name.length] = new RegExp(`^${name}$`, 'i')
const LINK = 4
const REFRESH = 7
const LINK_TARGET = /((?:^|,)\s*<)([^>]*)(?=>)/g
const REFRESH_TARGET = /^(\s*[\d.]+\s*[;,]\s*(?:url\s*=\s*)?["']?)([^"'\s]+)/i

/** The request that an answer belongs to. */
export interface RoutedRequest {
  readonly client: { readonly host: string; readonly base: string }
  /** The path by which the route was found. */
  readonly path: string
  readonly route: Route | null
  /** Where it was sent instead of the route's upstream. */
  readonly files: FilesPlace | null
  /** The table that the route was found in. */
  readonly routes: RouteTable | null
  readonly tenant: { readonly slug: string } | null
  /** Host and port of the upstream address that it went to; of several, the one that answers. */
  readonly upstream: string
}

/**
 * Has the upstream's redirects to itself come back through the route, in place: an address on its own origin, or a path of its own, becomes
 * the path at the gateway that leads there. All other addresses are nobody's business here.
 */
export function returnThroughRoute(fields: string[], request: RoutedRequest): void {
  if (request.route?.rules.rewriteRedirects !== true) return
  let place: RoutePlace | null = null
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i] ?? ''
    if (FIELDS[name.length]?.test(name) !== true) continue
    const at = (place ??= placeOf(request, request.route))
    const value = fields[i + 1] ?? ''
    const local = (_whole: string, before: string, address: string): string =>
      before + localAddress(address, at)
    if (name.length === LINK) fields[i + 1] = value.replace(LINK_TARGET, local)
    else if (name.length === REFRESH) fields[i + 1] = value.replace(REFRESH_TARGET, local)
    else fields[i + 1] = localAddress(value, at)
  }
}

/** Where the route of a request leads, and how the request came. */
export function placeOf(request: RoutedRequest, route: Route): RoutePlace {
  const { client, path, files, routes, tenant, upstream } = request
  const slug = tenant?.slug ?? ''
  const { upstreamHost = null } = route.upstream
  return {
    origin: servingOrigin(route, upstream) ?? upstreamOrigin(route, slug),
    base: upstreamPath(route, route.path, '', slug),
    prefix: route.path,
    asked: upstreamPath(route, path, '', slug),
    repository: files === null && route.kind === 'oci' ? repositoryPath(route, path, slug) : null,
    named: upstreamHost === 'pass' ? null : upstreamHost,
    told: client.host,
    publicBase: client.base,
    files: route.files,
    source: files,
    isRouted: (at) => routes !== null && routes.match(hostName(client.host) ?? '', at) !== null,
  }
}

/** The one of several addresses that a request went to; null for a route that has one. */
function servingOrigin(route: Route, host: string): string | null {
  return route.upstream.origins?.find((origin) => origin.endsWith(`//${host}`)) ?? null
}

/** Path at the upstream of the image that a client's path is about; null for none. */
function repositoryPath(route: Route, path: string, tenant: string): string | null {
  const root = '/v2/'
  const name = path.startsWith(root) ? repositoryIn(path.slice(root.length)) : null
  return name === null ? null : upstreamPath(route, `${root}${name}/`, '', tenant)
}
