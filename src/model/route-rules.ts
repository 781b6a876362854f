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

/** Pages of which origins may use a route from a browser (Fetch Standard, "CORS protocol"). */
export interface CorsRules {
  /** `https://app.example.com`, `null`, or `*` for all. */
  readonly origins: readonly string[]
  readonly methods: readonly string[]
  /** Fields that pages may send, and read of the answer. */
  readonly headers: readonly string[]
  readonly exposeHeaders: readonly string[]
  /** Whether cookies and client certificates of the browser go along; API keys in fields do not need it. */
  readonly credentials: boolean
  readonly maxAgeSeconds: number
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
  readonly cors: CorsRules | null
  /** The upstream's redirects to itself come back through the route. */
  readonly rewriteRedirects: boolean
  /** Documents of the kind's clients bear the gateway's addresses in place of the upstream's. */
  readonly rewriteDocuments: boolean
}

/** Of a route that says nothing. */
export const DEFAULT_RULES: RouteRules = {
  paths: 'strict',
  reads: [],
  headers: { set: [], removed: [] },
  redactPath: [],
  redactQuery: [],
  cors: null,
  rewriteRedirects: true,
  rewriteDocuments: true,
}
