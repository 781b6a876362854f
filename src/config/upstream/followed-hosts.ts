import { isIP } from 'node:net'
import { z } from 'zod'
import type { FollowedHost } from '../../model/upstream/follow-rules.ts'
import { isLinkLocal } from '../../model/network.ts'
import { key } from '../route-key.ts'

const FORM =
  'must be a host such as blob.example.com or *.blob.example.com, with its port if it has one of its own, and http:// before it if it speaks no TLS'
const HOST = /^(https?:\/\/)?(\*\.)?([a-z0-9._-]{1,253}|\[[0-9a-f:.]+\])(?::(\d{1,5}))?$/i

export const followedHost = z.string().transform((text, context): FollowedHost => {
  const [whole, scheme = 'https://', star = '', name = '', port = ''] = HOST.exec(text) ?? []
  const origin = `${scheme}${name}${port === '' ? '' : `:${port}`}`
  const url = whole !== undefined && URL.canParse(origin) ? new URL(origin) : null
  const isWide = star !== '' && (!name.includes('.') || isIP(url?.hostname ?? '') !== 0)
  const bare = url?.hostname.replace(/^\[|\]$/g, '') ?? ''
  const problem =
    url === null
      ? FORM
      : isWide
        ? 'must name at least two labels behind *., or anybody could be meant'
        : isIP(bare) !== 0 && isLinkLocal(bare)
          ? 'is a link-local address (cloud metadata lives there)'
          : null
  if (url !== null && problem === null)
    return {
      protocol: url.protocol === 'http:' ? 'http:' : 'https:',
      name: star + url.hostname,
      port: url.port,
    }
  context.addIssue({ code: 'custom', message: problem ?? FORM })
  return z.NEVER
})

/** The `followRedirects` of a route. */
export const followRedirects = z.strictObject({
  hosts: key(
    z.array(followedHost).min(1).max(64),
    'a list such as [blob.example.com, "*.cdn.example.com"]; https unless http:// stands before it',
    'Hosts to which the gateway follows redirects',
    'required',
  ),
  maxHops: key(
    z.int().min(1).max(10).default(3),
    'a whole number from 1 to 10',
    'Redirects followed for one request at most',
  ),
  others: key(
    z.enum(['pass', 'refuse']).default('pass'),
    'one of pass, refuse',
    'Whether redirects to other hosts are handed to the client, or answered 502',
  ),
})
