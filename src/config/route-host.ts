import { isIPv6 } from 'node:net'
import { domainToASCII } from 'node:url'
import { z } from 'zod'

const NAME = /^(?:\*\.)?[a-z0-9_](?:[a-z0-9._-]*[a-z0-9_])?$/

/** A host as routes are matched by it: lower case, IDN in its ASCII form (RFC 5891), IPv6 in brackets; null for what is none. */
function readHost(text: string): string | null {
  const bare = text.replace(/^\[(.*)\]$/, '$1')
  if (isIPv6(bare)) return URL.canParse(`http://[${bare}]`) ? new URL(`http://[${bare}]`).hostname : null
  const isWildcard = text.startsWith('*.')
  const name = (isWildcard ? text.slice(2) : text).replace(/\.$/, '').toLowerCase()
  // Beyond ASCII only: it would refuse underscores, which host names in the wild have.
  const ascii = /[^\0-\x7f]/.test(name) ? domainToASCII(name) : name
  const host = isWildcard ? `*.${ascii}` : ascii
  return ascii === '' || host.length > 253 || host.includes('..') || !NAME.test(host) ? null : host
}

/** The `host` of a route. */
export const routeHost = z.string().transform((text, context) => {
  const host = readHost(text)
  if (host !== null) return host
  context.addIssue({
    code: 'custom',
    message: 'must be a host name without port, *.example.com for all below it, or an IPv6 address',
  })
  return z.NEVER
})
