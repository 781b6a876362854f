import { isIP } from 'node:net'
import { domainToUnicode } from 'node:url'
import { isLinkLocal } from '../model/network.ts'
import type { Route } from '../model/route.ts'

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

/** Whether a label claims to be Punycode (RFC 5891 §4.4) and is not: Node's URL parser takes it from version 24 on. */
function isNoLabel(label: string): boolean {
  return label.startsWith('xn--') && (domainToUnicode(label) === '' || domainToUnicode(label) === label)
}
