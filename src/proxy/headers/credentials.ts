import { holdsKey, isWellFormedKey, KEY_IN_TEXT, KEY_LENGTH } from '../../model/api-key.ts'
import { TOKEN_MARK } from '../../model/token/access-token.ts'
import type { RequestHead } from '../../http/request-head.ts'

/** A key that was presented, and in which field, so that the field is not forwarded. */
export interface Credential {
  readonly text: string
  readonly field: 'authorization' | 'x-api-key'
}

/** Two different gateway keys were presented: neither counts. */
export const SEVERAL: Credential = { text: '', field: 'authorization' }

/** Auth-scheme, spaces, and one token68 (RFC 9110 §11.4), which RFC 6750 §2.1 calls b64token; as a whole. */
const SCHEME_AND_TOKEN = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+) +([A-Za-z0-9._~+/-]+=*)$/
/** Base64 as RFC 4648 §4 writes it, padding included. */
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/
// oxlint-disable-next-line no-control-regex
const CONTROL = /[\x00-\x1f\x7f]/
const USUAL = `Bearer ${KEY_IN_TEXT}`
/** Presented, and no key by any grammar. */
const MALFORMED = ''

/**
 * Finds the key that a client presents: `X-Api-Key`; `Authorization: Bearer`; a bare `Authorization` value (cargo);
 * Basic password with any user name; Basic user name with an empty password. An `X-Api-Key` that is no gateway key
 * belongs to the upstream. null when none is presented; `SEVERAL` when two different gateway keys are.
 */
export function presentedKey(head: RequestHead): Credential | null {
  const { apiKey, authorization } = head
  const fromAuthorization = authorization === null ? null : keyInAuthorization(authorization)
  if (apiKey !== null && (apiKey.startsWith(KEY_IN_TEXT) || fromAuthorization === null)) {
    if (fromAuthorization?.startsWith(KEY_IN_TEXT) === true && fromAuthorization !== apiKey) return SEVERAL
    return { text: apiKey, field: 'x-api-key' }
  }
  return fromAuthorization === null ? null : { text: fromAuthorization, field: 'authorization' }
}

/** Text presented as a key in an Authorization value, each form one grammar that matches as a whole; null for none. */
function keyInAuthorization(value: string): string | null {
  if (value === '') return null
  // As nearly all clients write it; whether it is a key is told by whoever looks for it.
  if (value.length === USUAL.length + KEY_LENGTH - KEY_IN_TEXT.length && value.startsWith(USUAL))
    return value.slice(USUAL.length - KEY_IN_TEXT.length)
  if (isWellFormedKey(value)) return value
  const match = SCHEME_AND_TOKEN.exec(value)
  if (match === null) return isOurScheme(value) || !/[ \t]/.test(value) ? MALFORMED : null
  const scheme = (match[1] ?? '').toLowerCase()
  const token = match[2] ?? ''
  if (scheme === 'bearer' || scheme === 'token') return token
  return scheme === 'basic' ? keyInBasic(token) : null
}

/** RFC 7617 §2: user-id, a colon, password, neither with control characters, in base64 that encodes back to itself. */
function keyInBasic(token: string): string {
  if (!BASE64.test(token)) return MALFORMED
  const octets = Buffer.from(token, 'base64')
  if (octets.toString('base64') !== token) return MALFORMED // RFC 4648 §3.5: bits that say nothing must be zero
  const pair = octets.toString('latin1')
  const colon = pair.indexOf(':')
  if (colon === -1 || CONTROL.test(pair)) return MALFORMED
  return colon === pair.length - 1 ? pair.slice(0, colon) : pair.slice(colon + 1)
}

function isOurScheme(value: string): boolean {
  return /^(?:basic|bearer|token)(?:$|[^!#$%&'*+.^_`|~0-9A-Za-z-])/i.test(value)
}

/** Whether a credential field holds a gateway key or token anywhere, or what begins like one. */
export function hidesKey(value: string): boolean {
  return value.includes(KEY_IN_TEXT) || value.includes(TOKEN_MARK) || holdsKey(value)
}
