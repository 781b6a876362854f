/**
 * How paths of a route are taken. `strict` refuses every spelling that two readers could take differently; `verbatim` passes empty
 * segments, encoded slashes and backslashes on, as an API needs that has whole names, or addresses, in a segment.
 */
export const PATH_MODES = ['strict', 'verbatim'] as const

export type PathMode = (typeof PATH_MODES)[number]

/** A kind of request that reads, though its method alone does not say so. */
export interface ReadRule {
  /** `WebSocket` for an upgrade. */
  readonly method: string
  /** Path below the route's, or null for all: `*` is one segment, `**` at the end all that follows. */
  readonly path: string | null
}

/** What a route changes in the fields that go to its upstream. */
export interface HeaderChanges {
  /** Names and values in turn. Values may be secrets. */
  readonly set: readonly string[]
  /** Names in lower case of what the client may not send, those that are set included. */
  readonly removed: readonly string[]
}

/** What a route's upstream and clients see of each other through the gateway; plain data, as it goes to other processes. */
export interface RouteRules {
  readonly paths: PathMode
  readonly reads: readonly ReadRule[]
  readonly headers: HeaderChanges
  /** Where secrets stand in paths below the route's: segments, `*` for any, `{secret}` for what is not recorded. */
  readonly redactPath: readonly string[]
  /** Query parameters that are secrets beside the usual ones, in lower case. */
  readonly redactQuery: readonly string[]
}

/** Of a route that says nothing. */
export const DEFAULT_RULES: RouteRules = {
  paths: 'strict',
  reads: [],
  headers: { set: [], removed: [] },
  redactPath: [],
  redactQuery: [],
}
