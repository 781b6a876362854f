import { ECOSYSTEMS } from '../../artifacts/kinds.ts'
import type { OwnAnswer } from '../../artifacts/login/own-answer.ts'
import { ROUTE_KINDS, takesHost, type Route, type RouteKind } from '../../model/route.ts'

/** What the gateway answers itself, and as what. */
export interface OwnRequest {
  readonly kind: RouteKind
  readonly answer: OwnAnswer
  /** Whether a key is asked for: not where all routes of the kind at that host are public. */
  readonly auth: Route['auth']
}

/** The kinds that have a root, of which there are routes. */
export class OwnRoots {
  readonly #roots: readonly { kind: RouteKind; root: string; routes: readonly Route[] }[]

  constructor(routes: readonly Route[]) {
    this.#roots = ROUTE_KINDS.flatMap((kind) => {
      const root = ECOSYSTEMS[kind].own?.root ?? null
      const ofKind = routes.filter((route) => route.kind === kind)
      return root === null || ofKind.length === 0 ? [] : [{ kind, root, routes: ofKind }]
    })
  }

  /** What a request at a root is; null when it is at none, or the host has no route of the kind. `host` is lower case. */
  find(method: string, host: string, path: string): OwnRequest | null {
    for (const { kind, root, routes } of this.#roots) {
      const isBelow = path.startsWith(root)
      if (!isBelow && path.length !== root.length - 1) continue
      if (!isBelow && !root.startsWith(path)) continue
      const answer = ECOSYSTEMS[kind].own?.answerTo(method, path.slice(root.length - 1) || '/')
      if (answer === null || answer === undefined) continue
      const there = routes.filter((route) => takesHost(route.host, host))
      if (there.length === 0) continue
      return { kind, answer, auth: there.every(({ auth }) => auth === 'public') ? 'public' : 'key' }
    }
    return null
  }

  /** Whether a route of the kind at this host asks for no key. */
  hasPublic(kind: RouteKind, host: string): boolean {
    const ofKind = this.#roots.find((root) => root.kind === kind)?.routes ?? []
    return ofKind.some(({ auth, host: pattern }) => auth === 'public' && takesHost(pattern, host))
  }

  /** Whether a route of the kind names this host, alone or with others. */
  isBound(kind: RouteKind, host: string): boolean {
    const ofKind = this.#roots.find((root) => root.kind === kind)?.routes ?? []
    return ofKind.some(({ host: pattern }) => pattern !== null && takesHost(pattern, host))
  }
}

/** What a request of a route is, where the kind has no root; null for what is the upstream's. */
export function ownOfRoute(method: string, route: Route, path: string): OwnRequest | null {
  const { own } = ECOSYSTEMS[route.kind]
  if (own === null || own.root !== null) return null
  const answer = own.answerTo(method, path.slice(route.path.length - 1))
  if (answer === null) return null
  const isUpstreams = route.auth === 'public' && (answer.by !== 'key' || answer.onPublic === 'upstream')
  return isUpstreams ? null : { kind: route.kind, answer, auth: route.auth }
}
