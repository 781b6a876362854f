import { z } from 'zod'
import type { RouteAuth, RouteKind } from '../../model/route.ts'
import type { TokenRules } from '../../model/upstream/token-rules.ts'
import { followedHost } from './followed-hosts.ts'
import type { UpstreamLogin } from './upstream-auth.ts'

export const UPSTREAM_TOKENS_FORM =
  'none, or { hosts: [auth.example.com, "*.auth.example.com"] }; https unless http:// stands before a host'

/** The `upstreamTokens` of a route. */
export const upstreamTokens = z.union(
  [z.literal('none'), z.strictObject({ hosts: z.array(followedHost).max(64) })],
  `must be ${UPSTREAM_TOKENS_FORM}`,
)

const OWN_HOST_ONLY: TokenRules = { hosts: [] }

/**
 * What holds for a route; a text says what is wrong. Where the key is absent: registries, unless clients log in at the upstream by
 * themselves, as they can on a public route without a login.
 */
export function tokenRules(
  key: z.infer<typeof upstreamTokens> | undefined,
  route: { readonly kind: RouteKind; readonly auth: RouteAuth },
  { authorization, field }: UpstreamLogin,
): TokenRules | null | string {
  const canLogIn = authorization === null || /^basic /i.test(authorization)
  if (key === undefined) {
    const isLoggedIn = route.auth === 'key' || authorization !== null || field !== null
    return route.kind === 'oci' && canLogIn && isLoggedIn ? OWN_HOST_ONLY : null
  }
  if (key === 'none') return null
  return canLogIn
    ? key
    : 'needs an upstreamAuth by basic or header, or none: token servers are asked by Basic'
}
