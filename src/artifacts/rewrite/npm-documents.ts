import { isJson, type DocumentRule } from './document-rule.ts'
import { pathTree } from './json-paths.ts'
import { JsonRewriter } from './json-rewriter.ts'

/**
 * A package (full, or abbreviated: `application/vnd.npm.install-v1+json`), one version of it, and what a search finds. npm takes of the
 * attestations' address its path alone, and asks the registry's host for it: it needs the gateway's base path.
 */
const ADDRESSES = pathTree(
  ['versions.*.', '', 'objects.*.package.'].flatMap((start) => [
    `${start}dist.tarball`,
    `${start}dist.attestations.url`,
  ]),
)

/** Documents of an npm registry. Integrity, shasum and signatures do not cover addresses, and stay. */
export const npmDocuments: DocumentRule = {
  name: 'npm1',
  isAskedBy: (method, path) => (method === 'GET' || method === 'HEAD') && isDocumentPath(path),
  isOfType: isJson,
  open: ({ translate }) => new JsonRewriter(ADDRESSES, translate),
}

/** `/name`, `/name/version`, both with a scope, and searches; files are at `/-/` below a package. */
function isDocumentPath(path: string): boolean {
  if (path.startsWith('/-/'))
    return path === '/-/v1/search' || path === '/-/all' || path.startsWith('/-/all/')
  if (path.length < 2 || path.includes('/-/')) return false
  const slashes = path.split('/', 6).length - 1
  return slashes <= (path.startsWith('/@') ? 3 : 2) + (path.endsWith('/') ? 1 : 0)
}
