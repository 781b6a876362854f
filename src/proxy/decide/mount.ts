import { mountQuery } from '../../model/artifact/oci-mount.ts'
import { isRepository } from '../../model/artifact/oci-name.ts'
import { permits } from '../../model/scope.ts'
import { tokenPermits } from '../../model/token/access-token.ts'
import type { Exchange } from '../exchange/exchange.ts'
import { upstreamPath } from '../../model/upstream/upstream-place.ts'
import { hostName } from '../routing/target.ts'
import type { Refusal } from './context.ts'

const ROOT = '/v2/'

/**
 * Mount: an upload to a registry may name a blob of another repository in place of its body. That has to be one of the same route, which the
 * client may read; else the upstream is not told of it, answers 202, and the client uploads. Never refuses.
 */
export function checkMount(exchange: Exchange): Refusal | null {
  const { route, path, head, target, files } = exchange
  if (route?.kind !== 'oci' || files !== null) return null
  if (!path.includes('/blobs/') && !path.includes('%')) return null
  const query = target?.query ?? ''
  if (query !== '') {
    const sent = mountQuery(query, (from) => upstreamNameOf(exchange, from))
    if (sent !== query) exchange.sentQuery = sent
  }
  // Go's servers, of which most registries are, read a form in a body like a query, and before it. No blob is a form.
  const { contentType } = head
  if (contentType !== null) exchange.isSentAsBytes = contentType === '' || /form/i.test(contentType)
  return null
}

/** The upstream's name of a repository that the client names so; null when it is of another route, or not the client's to read. */
function upstreamNameOf(exchange: Exchange, from: string): string | null {
  const { route, routes, key, access, head, target, tenant } = exchange
  if (route === null || routes === null) return null
  const path = `${ROOT}${from}/`
  const host = hostName(target?.authority ?? head.host ?? '') ?? ''
  if (routes.match(host, path) !== route) return null
  if (route.auth !== 'public' && (key === null || !permits(key.scopes, route.name, 'read'))) return null
  if (access !== null && !tokenPermits(access, 'repository', from, 'pull')) return null
  const slug = tenant?.slug ?? ''
  // A registry may live below a path of its host, and a route lead to a part of one.
  const base = upstreamPath(route, route.path, '', slug)
  const root = base.startsWith(ROOT) ? 0 : base.lastIndexOf(ROOT)
  const name = root === -1 ? '' : upstreamPath(route, path, '', slug).slice(root + ROOT.length, -1)
  return isRepository(name) ? name : null
}
