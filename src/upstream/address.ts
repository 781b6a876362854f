import { isIP, type LookupFunction } from 'node:net'
import { domainToUnicode } from 'node:url'
import { isLinkLocal } from '../model/network.ts'
import type { Route } from '../model/route.ts'
import { UpstreamAddressError } from './failure.ts'

/**
 * What is wrong with an origin that a tenant's name was put into; null when nothing is. A name such as 2130706433, 0x7f.1 or 127.1 is an
 * address to whoever parses it as a URL (WHATWG URL §3.5), and one such as xn--a is no name at all.
 */
export function addressProblem(origin: string, route: Route): string | null {
  if (!URL.canParse(origin)) return 'is no host name'
  const { hostname, host, username, pathname } = new URL(origin)
  const authority = origin.slice(origin.indexOf('//') + 2).toLowerCase()
  const bare = hostname.replace(/^\[|\]$/g, '')
  const isMeant = authority === host || authority.replace(/:\d+$/, '') === hostname
  if (bare.split('.').some(isNoLabel)) return 'is no host name'
  // RFC 6761 §6.3: a tenant of that name would be the gateway's own machine.
  const isThisMachine = bare === 'localhost' && !route.upstream.origin.includes('localhost')
  if (!isMeant || isThisMachine || username !== '' || pathname !== '/') return 'is an address in disguise'
  if (isIP(bare) !== 0 && route.upstream.allowLinkLocal !== true && isLinkLocal(bare)) return 'is link-local'
  return null
}

/** What is wrong with the origin of a host that is not a route's own upstream; null when nothing is. */
export function strangeAddressProblem(origin: string): string | null {
  if (!URL.canParse(origin)) return 'is no host name'
  const { protocol, hostname, username, password, pathname } = new URL(origin)
  if (protocol !== 'http:' && protocol !== 'https:') return 'is neither http nor https'
  if (username !== '' || password !== '' || pathname !== '/') return 'is an address in disguise'
  const bare = hostname.replace(/^\[|\]$/g, '')
  return isIP(bare) !== 0 && isLinkLocal(bare) ? 'is link-local' : null
}

/** Names as another look-up finds them, without those that lead to a link-local address: a stranger's names are its own to answer. */
export function withoutLinkLocal(lookup: LookupFunction): LookupFunction {
  return (hostname, options, callback) =>
    lookup(hostname, options, (error, found, family) => {
      const addresses = typeof found === 'string' ? [found] : (found ?? []).map(({ address }) => address)
      if (error === null && addresses.some(isLinkLocal))
        callback(new UpstreamAddressError('is link-local'), '')
      else callback(error, found, family)
    })
}

/** Whether a label claims to be Punycode (RFC 5891 §4.4) and is not: Node's URL parser takes it from version 24 on. */
function isNoLabel(label: string): boolean {
  return label.startsWith('xn--') && (domainToUnicode(label) === '' || domainToUnicode(label) === label)
}
