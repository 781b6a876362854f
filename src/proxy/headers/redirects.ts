import type { Route } from '../../model/route.ts'
import { upstreamOrigin, upstreamPath, type RouteTable } from '../routing/route-table.ts'
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
  readonly client: { readonly host: string }
  /** The path by which the route was found. */
  readonly path: string
  readonly route: Route | null
  /** The table that the route was found in. */
  readonly routes: RouteTable | null
  readonly tenant: { readonly slug: string } | null
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

function placeOf({ client, path, routes, tenant }: RoutedRequest, route: Route): RoutePlace {
  const slug = tenant?.slug ?? ''
  const { upstreamHost = null } = route.upstream
  return {
    origin: upstreamOrigin(route, slug),
    base: upstreamPath(route, route.path, '', slug),
    prefix: route.path,
    asked: upstreamPath(route, path, '', slug),
    named: upstreamHost === 'pass' ? null : upstreamHost,
    told: client.host,
    isRouted: (at) => routes !== null && routes.match(hostName(client.host) ?? '', at) !== null,
  }
}

/** Where a route leads. */
export interface RoutePlace {
  readonly origin: string
  /** Path at the upstream that the route's stands for, and the route's own; both end in a slash. */
  readonly base: string
  readonly prefix: string
  /** Path that the upstream was asked for. */
  readonly asked: string
  /** Host that the route has it asked for as, or null. */
  readonly named: string | null
  /** Host at which the client asked, which the upstream is told of and may take for its own. */
  readonly told: string
  /** Whether a path at the gateway is a route's. */
  isRouted(path: string): boolean
}

/** An address of the upstream's as the client can use it; the same when it is another's, outside of the route, or relative to the request. */
export function localAddress(address: string, at: RoutePlace): string {
  let path = address
  if (/^(?:https?:)?\/\//i.test(address)) {
    const start = address.indexOf('//') + 2
    const end = start + address.slice(start).search(/[/?#]|$/)
    const scheme = start === 2 ? at.origin.slice(0, at.origin.indexOf('//')) : ''
    path = address.slice(end)
    if (!path.startsWith('/')) path = `/${path}`
    if (!isUpstreams(scheme + address.slice(0, end), path.replace(/[?#].*/s, ''), at)) return address
  } else if (!address.startsWith('/') || isGatewaysAlready(address, at)) {
    return address
  }
  return localPath(path, at) ?? address
}

/** Whether the path at this origin is one of the upstream's, by whichever of its names. */
function isUpstreams(text: string, path: string, at: RoutePlace): boolean {
  if (!URL.canParse(text)) return false
  const { origin, protocol, host, username, password } = new URL(text)
  if (username !== '' || password !== '') return false
  const own = new URL(at.origin)
  if (origin === own.origin) return true
  // TLS may end in front of it. But one that asks for TLS where there was none is not sent round in a circle.
  if (protocol === 'https:' && own.protocol === 'http:' && path === at.asked) return false
  if (protocol === 'http:' && own.protocol === 'https:' && host === own.host) return true
  if (at.named !== null && host === hostAt(protocol, at.named)) return true
  // At the gateway's own name it is the upstream's only if nothing of the gateway's is there.
  return host === hostAt(protocol, at.told) && !at.isRouted(path)
}

/** Host and port as `URL` writes them: without the scheme's own port. */
function hostAt(protocol: string, host: string): string | null {
  const text = `${protocol}//${host}`
  return URL.canParse(text) ? new URL(text).host : null
}

/** An upstream that believes X-Forwarded-Prefix writes the gateway's paths itself; not so one that adds a slash to what it was asked for. */
function isGatewaysAlready(path: string, at: RoutePlace): boolean {
  return at.prefix !== '/' && path.startsWith(at.prefix) && !path.startsWith(at.asked)
}

function localPath(path: string, { base, prefix }: RoutePlace): string | null {
  if (path.startsWith('//') || path.includes('\\') || /\/\.\.?(?:[/?#]|$)/.test(path)) return null
  if (path.startsWith(base)) return prefix + path.slice(base.length)
  // `/base` for `/base/`, as the end of the route's own path is written.
  const bare = base.slice(0, -1)
  if (bare === '' || !path.startsWith(bare) || !/^(?:$|[?#])/.test(path.slice(bare.length))) return null
  return prefix.slice(0, -1) + path.slice(bare.length)
}
