import type { Exchange } from './exchange.ts'
import { upstreamOrigin, upstreamPath } from './route-table.ts'

/** Fields that name an address of the upstream's (RFC 9110 §10.2.2, §8.7). */
const LOCATION = /^(?:content-)?location$/i

/**
 * Has the upstream's redirects to itself come back through the route, in place: an address on its own origin, or a path of its own, becomes
 * the path at the gateway that leads there. All other addresses are nobody's business here.
 */
export function returnThroughRoute(fields: string[], exchange: Exchange): void {
  const { route, tenant } = exchange
  if (route === null || !route.rules.rewriteRedirects) return
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i] ?? ''
    if ((name.length !== 8 && name.length !== 16) || !LOCATION.test(name)) continue
    const slug = tenant?.slug ?? ''
    fields[i + 1] = localAddress(fields[i + 1] ?? '', {
      origin: upstreamOrigin(route, slug),
      base: upstreamPath(route, route.path, '', slug),
      prefix: route.path,
      asked: upstreamPath(route, exchange.path, '', slug),
    })
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
}

/** An address of the upstream's as the client can use it; the same when it is another's, outside of the route, or relative to the request. */
export function localAddress(address: string, at: RoutePlace): string {
  let path = address
  if (/^(?:https?:)?\/\//i.test(address)) {
    const start = address.indexOf('//') + 2
    const end = start + address.slice(start).search(/[/?#]|$/)
    const scheme = start === 2 ? at.origin.slice(0, at.origin.indexOf('//')) : ''
    if (!isSameOrigin(scheme + address.slice(0, end), at.origin)) return address
    path = address.slice(end)
    if (!path.startsWith('/')) path = `/${path}`
  } else if (!address.startsWith('/') || isGatewaysAlready(address, at)) {
    return address
  }
  return localPath(path, at) ?? address
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

function isSameOrigin(one: string, other: string): boolean {
  if (!URL.canParse(one) || !URL.canParse(other)) return false
  const { origin, username, password } = new URL(one)
  return origin === new URL(other).origin && username === '' && password === ''
}
