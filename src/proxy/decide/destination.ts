import type { Exchange } from '../exchange/exchange.ts'
import { isSpecialPath } from '../routing/path-readings.ts'
import { hostName, splitTarget } from '../routing/target.ts'

/** Whether a COPY or MOVE (RFC 4918 §9.8, §9.9), by its name or one that a server may believe, says where to. */
export function hasDestination({ req, head }: Exchange): boolean {
  if (head.destination === null) return false
  return req.method === 'COPY' || req.method === 'MOVE' || head.methodOverride !== null
}

/**
 * The path that a Destination (RFC 4918 §10.3) names, by which its route was found; it has to be the request's own, as scopes, limits and
 * `{tenant}` were decided on for that. 'target' when it is no path or address at the gateway, or says where to twice; 'path' when servers
 * read it in several ways; 'scope' when it leads out of the route.
 */
export function readDestination(exchange: Exchange): { path: string } | 'target' | 'path' | 'scope' {
  const { head, route, routes, target, client } = exchange
  const destination = splitTarget(head.destination ?? '')
  if (destination === null || destination.query !== '' || destination.path.startsWith('//')) return 'target'
  const host = hostName(target?.authority ?? head.host ?? '') ?? ''
  if (destination.authority !== null) {
    const name = hostName(destination.authority)
    if (name === null || (name !== host && name !== hostName(client.host))) return 'target'
  }
  const { base } = client
  // The front takes the base away of what is asked for, and not of what a field says.
  const path =
    base !== '' && destination.path.startsWith(`${base}/`)
      ? destination.path.slice(base.length)
      : destination.path
  if (isSpecialPath(path)) {
    const routed = routes?.matchSpecial(host, path) ?? null
    if (routed === 'ambiguous') return 'path'
    return routed?.route === route ? { path: routed?.path ?? path } : 'scope'
  }
  return routes?.match(host, path) === route ? { path } : 'scope'
}
