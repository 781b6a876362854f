import { ROUTE_KINDS } from '../model/route.ts'
import { ECOSYSTEMS } from './kinds.ts'

/** Kinds of routes whose requests may be about packages. */
export const ARTIFACT_ROUTE_KINDS = ROUTE_KINDS.filter((kind) => ECOSYSTEMS[kind].purlType !== '')

/** The type of package URLs by `ecosystem` of an entry. */
export const PURL_TYPES: ReadonlyMap<string, string> = new Map(
  ARTIFACT_ROUTE_KINDS.map((kind) => [ECOSYSTEMS[kind].name, ECOSYSTEMS[kind].purlType]),
)
