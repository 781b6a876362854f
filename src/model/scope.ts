import { SLUG_PATTERN } from './slug.ts'

/** What a request does, as scopes see it. */
export type Access = 'read' | 'write'

/** Says what is wrong with a scope, or null when it is valid: `<route>:read|write|*`, or `*:…` for every route. */
export function scopeProblem(scope: string): string | null {
  const colon = scope.lastIndexOf(':')
  const route = scope.slice(0, Math.max(colon, 0))
  const access = scope.slice(colon + 1)
  if (colon > 0 && (route === '*' || SLUG_PATTERN.test(route)) && /^(read|write|\*)$/.test(access))
    return null
  return `"${scope.slice(0, 80)}" is not a valid scope: <route>:read, <route>:write, <route>:* or *:*`
}

/** A key's scopes, compiled: which routes it may read and write. */
export interface ScopeSet {
  readonly read: ReadonlySet<string>
  readonly write: ReadonlySet<string>
}

/** Compiles valid scopes; an invalid one grants nothing. */
export function compileScopes(scopes: readonly string[]): ScopeSet {
  const read = new Set<string>()
  const write = new Set<string>()
  for (const scope of scopes) {
    if (scopeProblem(scope) !== null) continue
    const colon = scope.lastIndexOf(':')
    const route = scope.slice(0, colon)
    const access = scope.slice(colon + 1)
    if (access !== 'write') read.add(route)
    if (access !== 'read') write.add(route)
  }
  return { read, write }
}

/** Whether the scopes permit the access to the route. */
export function permits(scopes: ScopeSet, route: string, access: Access): boolean {
  const routes = access === 'read' ? scopes.read : scopes.write
  return routes.has(route) || routes.has('*')
}
