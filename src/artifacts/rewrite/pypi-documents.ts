import { isJson, type DocumentRule } from './document-rule.ts'
import { HtmlRewriter } from './html-rewriter.ts'
import { pathTree } from './json-paths.ts'
import { JsonRewriter } from './json-rewriter.ts'

/** A project's files (PEP 691, PEP 700), where their provenance is (PEP 740); and the older interface of JSON. */
const ADDRESSES = pathTree(['files.*.url', 'files.*.provenance', 'urls.*.url', 'releases.*.*.url'])

/** Pages of a simple index, in HTML (PEP 503) or JSON (PEP 691). Hashes are in fragments or members of their own, and stay. */
export const pypiPages: DocumentRule = {
  name: 'pypi1',
  isAskedBy: (method, path) => {
    if (method !== 'GET' && method !== 'HEAD') return false
    const last = path.slice(path.lastIndexOf('/') + 1)
    // Files have names with a dot; pages have none, or are folders.
    return !last.includes('.') || last === 'index.html' || last === 'index.json'
  },
  isOfType: (type) => isHtml(type) || isJson(type),
  open: ({ translate }, type) =>
    isHtml(type) ? new HtmlRewriter(translate) : new JsonRewriter(ADDRESSES, translate),
}

function isHtml(type: string): boolean {
  return type === 'text/html' || /^application\/(?:xhtml\+xml|vnd\.pypi\.simple\.[\w.]+\+html)$/.test(type)
}
