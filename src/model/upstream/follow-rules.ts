/** To which hosts the gateway follows redirects of a route's upstream, instead of handing them through. */
export interface FollowRules {
  readonly hosts: readonly FollowedHost[]
  /** Redirects followed for one request at most. */
  readonly maxHops: number
  /** What becomes of a redirect to any other host. */
  readonly others: 'pass' | 'refuse'
}

export interface FollowedHost {
  readonly protocol: 'http:' | 'https:'
  /** In lower case; `*.example.com` for all names below one. */
  readonly name: string
  /** '' for the scheme's own. */
  readonly port: string
}

/** Whether the rules name the host of an address. One with user information is nobody's. */
export function isFollowed({ hosts }: Pick<FollowRules, 'hosts'>, url: URL): boolean {
  if (url.username !== '' || url.password !== '') return false
  return hosts.some(
    ({ protocol, name, port }) =>
      url.protocol === protocol &&
      url.port === port &&
      (name.startsWith('*.')
        ? url.hostname.length >= name.length && url.hostname.endsWith(name.slice(1))
        : url.hostname === name),
  )
}
