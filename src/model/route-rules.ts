/**
 * How paths of a route are taken. `strict` refuses every spelling that two readers could take differently; `verbatim` passes empty
 * segments, encoded slashes and backslashes on, as an API needs that has whole names, or addresses, in a segment.
 */
export const PATH_MODES = ['strict', 'verbatim'] as const

export type PathMode = (typeof PATH_MODES)[number]

/** What a route's upstream and clients see of the gateway at its edge; all of it plain data. */
export interface RouteRules {
  readonly paths: PathMode
}

/** Of a route that says nothing. */
export const DEFAULT_RULES: RouteRules = {
  paths: 'strict',
}
