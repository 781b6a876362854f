import type { Route } from '../../model/route.ts'
import { hasLogin } from './own-login.ts'
import type { DocumentContext, DocumentRule } from './document-rule.ts'
import { asObject, WholeJsonRewriter } from './whole-json.ts'

/** A batch has 100 objects, of up to 1 kB each; some servers allow more. To parse one of this size takes 20 ms. */
const MAX_BATCH_BYTES = 2 * 1024 * 1024

/** The answer to a batch of Git LFS (specification, "Batch API"). */
export const lfsBatch: DocumentRule = {
  name: 'lfs1',
  isAskedBy: (method, path) => method === 'POST' && path.endsWith('/info/lfs/objects/batch'),
  isOfType: (type) => type === 'application/vnd.git-lfs+json' || type === 'application/json',
  open: (context) =>
    new WholeJsonRewriter(MAX_BATCH_BYTES, ({ objects }) => {
      if (!Array.isArray(objects)) return null
      for (const one of objects) changeObject(asObject(one), context)
      return null
    }),
}

/**
 * `authenticated` says that the actions need no credentials: for addresses of the gateway that is not so, and git-lfs would repeat the 401
 * without pause. Without it, it asks for the user's own.
 */
function changeObject(object: Record<string, unknown> | null, context: DocumentContext): void {
  for (const value of Object.values(asObject(object?.['actions']) ?? {})) {
    const action = asObject(value)
    const href = action?.['href']
    if (object === null || action === null || typeof href !== 'string') continue
    const shown = context.translate(href)
    action['href'] = shown
    if (!context.addresses.isForeign(shown)) delete object['authenticated']
    dropCredentials(asObject(action['header']), context.route, context.addresses.isForeign(shown))
  }
}

/** Servers give back the credentials that they were asked with, which may be the gateway's own; at the gateway the client's own count. */
function dropCredentials(header: Record<string, unknown> | null, route: Route, isForeign: boolean): void {
  const { authorization } = route.upstream
  for (const [name, value] of Object.entries(header ?? {})) {
    if (header === null || name.toLowerCase() !== 'authorization') continue
    const isAtGateway = !isForeign && (route.auth === 'key' || hasLogin(route))
    // Of a login that is not in the configuration nobody knows here what it looks like.
    const mayBeOwn = hasLogin(route) && (authorization === null || value === authorization)
    if (isAtGateway || mayBeOwn) delete header[name]
  }
}
