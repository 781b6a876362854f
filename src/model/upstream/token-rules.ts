import type { FollowedHost } from './follow-rules.ts'

/** Whether the gateway fetches the tokens that a route's upstream asks for, and who may be told its credentials for one. */
export interface TokenRules {
  /** Hosts of token servers, beside the upstream's own origin, that get the route's credentials. */
  readonly hosts: readonly FollowedHost[]
}
