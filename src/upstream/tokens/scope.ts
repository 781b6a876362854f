/** The first segments of a path up to the distribution specification's root, then the rest. */
const ROOT = '/v2/'
/** What a path below the root is about; the last such word counts, as names may hold them. */
const OF_REPOSITORY =
  /^(.+)\/(?:manifests\/[^/]+|blobs\/(?:uploads(?:\/[^/]*)?|[^/]+)|tags\/list|referrers\/[^/]+)$/
const NAME = /^[a-z0-9][a-z0-9._/-]{0,254}$/

/** Path of a registry's root, `…/v2/`, in a path at it; null for a path without one. */
export function registryRoot(path: string): string | null {
  const at = path.indexOf(ROOT)
  const query = path.indexOf('?')
  return at === -1 || (query !== -1 && query < at) ? null : path.slice(0, at + ROOT.length)
}

/**
 * The scope that a registry will want for a request (Distribution, "Token Scope Documentation"), as far as its path tells; '' for one
 * that needs a token without scope, null for what is not known. A guess: a challenge that says otherwise is right.
 */
export function expectedScope(method: string, path: string): string | null {
  const root = registryRoot(path)
  if (root === null) return null
  const [below, query] = split(path.slice(root.length))
  if (below === '') return ''
  if (below === '_catalog') return 'registry:catalog:*'
  const name = OF_REPOSITORY.exec(below)?.[1] ?? ''
  if (!NAME.test(name)) return null
  const scope = `repository:${name}:${actionsOf(method)}`
  const from = method === 'POST' ? (new URLSearchParams(query).get('from') ?? '') : ''
  return from !== name && NAME.test(from) ? `${scope} repository:${from}:pull` : scope
}

function split(text: string): [string, string] {
  const at = text.indexOf('?')
  return at === -1 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)]
}

function actionsOf(method: string): string {
  if (method === 'GET' || method === 'HEAD') return 'pull'
  return method === 'DELETE' ? 'delete' : 'pull,push'
}
