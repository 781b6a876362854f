import { isIP } from 'node:net'
import { z } from 'zod'
import { isLinkLocal } from '../../model/network.ts'
import type { RouteUpstream } from '../../model/route.ts'

/** More servers than a gateway chooses among in no time. */
const MAX_ADDRESSES = 16

/** The `upstream` of a route: one address, or several. */
export const upstream = z.union(
  [z.string(), z.array(z.string()).min(1).max(MAX_ADDRESSES)],
  `must be an http:// or https:// URL, or a list of 1 to ${MAX_ADDRESSES} of them`,
)

export const UPSTREAM_FORM = `an http:// or https:// URL, which may hold {tenant}, or a list of up to ${MAX_ADDRESSES}`

/** Where a route leads; a text says what is wrong. Several addresses are servers of the same things: they differ in host and port alone. */
export function readUpstreams(
  value: string | readonly string[],
  allowLinkLocal: boolean,
): Pick<RouteUpstream, 'origin' | 'origins' | 'path'> | string {
  const texts = typeof value === 'string' ? [value] : value
  const origins: string[] = []
  let first: { origin: string; path: string } | null = null
  for (const text of texts) {
    const one = readUpstream(text, allowLinkLocal)
    if (typeof one === 'string') return texts.length === 1 ? one : `its address ${origins.length + 1} ${one}`
    first ??= one
    if (one.path !== first.path) return 'must have the same path in all addresses'
    if (one.origin.startsWith('https:') !== first.origin.startsWith('https:'))
      return 'must have the same scheme in all addresses'
    if (texts.length > 1 && one.origin.includes('{tenant}'))
      return 'must not hold {tenant} in the host of one of several addresses'
    if (origins.some((other) => new URL(other).origin === new URL(one.origin).origin))
      return 'must not hold the same address twice'
    origins.push(one.origin)
  }
  if (first === null) return 'must not be an empty list'
  return origins.length === 1 ? first : { ...first, origins }
}

function readUpstream(text: string, allowLinkLocal: boolean): { origin: string; path: string } | string {
  const probe = text.replaceAll('{tenant}', 'tenant')
  if (!URL.canParse(probe)) return 'is not an http:// or https:// URL'
  const url = new URL(probe)
  if (url.protocol !== 'http:' && url.protocol !== 'https:') return 'must be an http:// or https:// URL'
  if (url.username !== '' || url.password !== '') return 'must not hold credentials; use upstreamAuth'
  if (url.search !== '' || url.hash !== '') return 'must not hold a query or fragment'
  const bare = url.hostname.replace(/^\[|\]$/g, '')
  if (!allowLinkLocal && isIP(bare) !== 0 && isLinkLocal(bare)) {
    return 'is a link-local address (cloud metadata lives there); set allowLinkLocal: true if it is meant'
  }
  const match = /^(https?:\/\/[^/]+)(\/[^\s]*)?$/.exec(text)
  if (match === null) return 'is not an http:// or https:// URL'
  const path = match[2] ?? '/'
  return { origin: match[1] ?? '', path: path.endsWith('/') ? path : `${path}/` }
}
