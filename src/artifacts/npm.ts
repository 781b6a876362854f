import { identifyNpm } from './identify/npm.ts'
import type { ChallengeQuestion } from './login/challenge.ts'
import { ecosystem, mediaTypeOf, type AccessQuestion, type Need } from './kind.ts'
import { npmLogin } from './login/npm-login.ts'
import { npmDocuments } from './rewrite/npm-documents.ts'

/** What `npm audit` asks by POST; every `npm install` sends one of them. */
const AUDITS: ReadonlySet<string> = new Set([
  '/-/npm/v1/security/audits',
  '/-/npm/v1/security/audits/quick',
  '/-/npm/v1/security/advisories/bulk',
])
/** Tokens in the paths of the registry's API: `npm token revoke`, `npm logout`. */
const TOKEN = /(\/-\/(?:user|npm\/v1)\/tokens?\/(?:token\/)?)[^/]+/

export const npm = ecosystem('npm', {
  holdMs: 20_000,
  challenge,
  access: { ofPost: accessOfPost },
  own: npmLogin,
  documents: [npmDocuments],
  maskPath: (path, mask) => (path.includes('/-/') ? path.replace(TOKEN, `$1${mask}`) : path),
  formats: ['npm'],
  identify: identifyNpm,
})

function accessOfPost({ rest, head }: AccessQuestion): Need {
  return AUDITS.has(rest) && mediaTypeOf(head) === 'application/json' ? 'read' : 'write'
}

/**
 * Of a 401 with a challenge npm shows the challenge and nothing else; where its first scheme has a capital letter not even that, but
 * "your authentication token seems to be invalid". So schemes are in lower case (RFC 9110 §11.1: in any), and the sentence is in the
 * challenge (RFC 6750 §3). Basic is there for repositories that fetch through the gateway: some send no password before they are asked.
 */
function challenge({ sentence }: ChallengeQuestion): readonly string[] {
  const text = sentence.replaceAll('"', "'").replaceAll(/[^\x20-\x5b\x5d-\x7e]/g, '?')
  const both = `bearer realm="Waybill", error_description="${text}", basic realm="Waybill", charset="UTF-8"`
  return ['WWW-Authenticate', both]
}
