import { identifyNpm } from './identify/npm.ts'
import { ecosystem, mediaTypeOf, type AccessQuestion, type Need } from './kind.ts'

/** What `npm audit` asks by POST; every `npm install` sends one of them. */
const AUDITS: ReadonlySet<string> = new Set([
  '/-/npm/v1/security/audits',
  '/-/npm/v1/security/audits/quick',
  '/-/npm/v1/security/advisories/bulk',
])
/** Tokens in the paths of the registry's API: `npm token revoke`, `npm logout`. */
const TOKEN = /(\/-\/(?:user|npm\/v1)\/tokens?\/(?:token\/)?)[^/]+/

export const npm = ecosystem('npm', {
  access: { ofPost: accessOfPost },
  maskPath: (path, mask) => (path.includes('/-/') ? path.replace(TOKEN, `$1${mask}`) : path),
  identify: identifyNpm,
})

function accessOfPost({ rest, head }: AccessQuestion): Need {
  return AUDITS.has(rest) && mediaTypeOf(head) === 'application/json' ? 'read' : 'write'
}
