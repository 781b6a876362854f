import { hasLogin } from './own-login.ts'
import type { DocumentContext, DocumentFault, DocumentRule } from './document-rule.ts'
import { WholeJsonRewriter } from './whole-json.ts'

/** A registry's own has 100 bytes. */
const MAX_CONFIG_BYTES = 65_536

/** `config.json` of a sparse index (cargo's reference, "Index Format"). */
export const cargoConfig: DocumentRule = {
  name: 'cargo1',
  isAskedBy: (method, path) => (method === 'GET' || method === 'HEAD') && path.endsWith('/config.json'),
  // Index files are served as text, or as whatever the server takes them for.
  isOfType: () => true,
  open: (context) => new WholeJsonRewriter(MAX_CONFIG_BYTES, (config) => changeConfig(config, context)),
}

/**
 * Without `auth-required` cargo takes a 401 on the index for final, and with it sends the token to whatever host `dl` and `api` name: so on
 * a route with keys neither may be a stranger's. Without `api` cargo can do all but publish, yank and search.
 */
function changeConfig(config: Record<string, unknown>, context: DocumentContext): DocumentFault | null {
  const { route, addresses } = context
  const hasKeys = route.auth === 'key'
  for (const name of ['dl', 'api']) {
    const address = config[name]
    if (typeof address !== 'string') continue
    const shown = translateTemplate(address, context)
    config[name] = shown
    if (!hasKeys || !addresses.isForeign(shown)) continue
    if (name === 'dl') return 'document_foreign'
    delete config[name]
  }
  if (hasKeys) config['auth-required'] = true
  else if (hasLogin(route)) delete config['auth-required']
  return null
}

/**
 * `https://host/crates/{crate}/{version}/download`: what stands before the first marker says where it leads. cargo puts a path with its
 * slash behind an address without markers, so that one that ends without a slash (a host alone) must not come to end with it.
 */
function translateTemplate(address: string, { translate }: DocumentContext): string {
  const brace = address.indexOf('{')
  if (brace !== -1) return translate(address.slice(0, brace)) + address.slice(brace)
  const shown = translate(address)
  return address.endsWith('/') || !shown.endsWith('/') ? shown : shown.slice(0, -1)
}
