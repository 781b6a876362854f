import { ECOSYSTEMS } from '../../artifacts/kinds.ts'
import { decodePercent } from '../../lib/percent.ts'
import { maskKeys } from '../../model/api-key.ts'
import type { Route } from '../../model/route.ts'
import { isSpecialPath } from './path-readings.ts'
import { hostName } from './target.ts'

const MASK = '***'

/**
 * Words of a parameter's name that make its value a credential, wherever they stand in it and however they are joined: presigned
 * addresses (Amazon, Google, Azure), OAuth (RFC 6750 §2.3, RFC 7523), and common APIs.
 */
const SECRET_PART = new RegExp(
  [
    'token|secret|passw|passphrase|passcode|kennwort|signature|credential|authori[sz]ation|assertion|session|sessid|saml|relaystate',
    '(?:access|auth|device|user|verification)code|webhookkey|bearer|jwt|hmac|captcha|(?:user|admin|root|db|old|new)(?:pass|pwd)',
    '(?:access|account|admin|api|app|auth|client|consumer|customer|deploy|encryption|function|licen[cs]e|master|merchant|my)key',
    '(?:partner|private|project|server|service|shared|signing|ssh|storage|subscription|user)key',
  ].join('|'),
)
/** Words that are one only when they stand alone: `key` is in `monkey`. */
const SECRET_WORDS: ReadonlySet<string> = new Set([
  'auth',
  'cookie',
  'key',
  'otp',
  'pass',
  'pat',
  'pin',
  'pwd',
  'sas',
  'sid',
  'sig',
  'sign',
  'ticket',
  'totp',
  'csrf',
  'xsrf',
  'saml',
  'nonce',
  'verifier',
  'cred',
  'creds',
  'pw',
  'pswd',
  'mfa',
  'tok',
  'sess',
  'upw',
])
/** Whole names: half of OAuth (RFC 6749 §4.1.2), and too common as parts of others. */
const SECRET_NAMES: ReadonlySet<string> = new Set(['code', 'state', 'oauthcode'])

/** JSON Web Tokens (RFC 7519) wherever they stand; whole, or begun. */
const JWT = /eyJ[\w-]{5,}\.[\w-]*(?:\.[\w-]*){0,3}/g
/** User information of an address (RFC 3986 §3.2.1), as loosely as browsers read one; without a scheme if there is a password in it. */
const USER_INFO = /(:[/\\]{1,3})[^\s/\\?#]*@|([/\\]{2})[^\s/\\?#@:]*:[^\s/\\?#]*@/g
/** What a field of Authorization holds, as a value. */
const BEARER = /\bbearer(?:[ +]|%20)+[\w.~+/=-]{6,}/gi
/** Names in JSON, with quotes or without, and in XML; a value follows. */
const NAME_IN_VALUE = /(?:["'{,]\s*|<)([\w.-]+)["']?\s*[:>]/g
/** In a path these, or a percent sign, call for a closer look. */
const PATH_SIGNS = /[%;=@"'{<]|eyJ/
const MAX_NESTED = 4

/** A path with query as it may be kept: credentials in either, and gateway keys anywhere, are masked. `route`: null when there is none. */
export function redactPath(path: string, query: string, route: Route | null = null): string {
  const shown =
    route === null || route.rules.redactPath.length === 0 ? path : withoutSecretSegments(path, route)
  const extra = route?.rules.redactQuery ?? NONE
  const bare = route === null ? shown : ECOSYSTEMS[route.kind].maskPath(shown, MASK)
  const cleanPath = PATH_SIGNS.test(bare) ? cleanText(bare, extra, 0) : bare
  return redactText(query === '' ? cleanPath : cleanPath + cleanText(query, extra, 0))
}

/** A host as it may be kept: of one that is none, whatever is a credential in an address is masked. */
export function redactHost(host: string): string {
  return hostName(host) === null ? redactPath(host.replace(/^.*@/s, `${MASK}@`), '') : host
}

/** A text with gateway keys masked down to their public id. */
export function redactText(text: string): string {
  return maskKeys(text)
}

const NONE: readonly string[] = []

/** Masks the values of `name=value` between separators of any kind (query, matrix parameters, fragment, segments), and user information. */
function cleanText(text: string, extra: readonly string[], depth: number): string {
  const parts = text
    .replace(USER_INFO, `$1$2${MASK}@`)
    .replace(BEARER, MASK)
    .split(/([?&;#])/)
  let clean = cleanPart(parts[0] ?? '', extra, depth)
  let isMasked = clean !== parts[0]
  for (let i = 1; i < parts.length; i += 2) {
    const separator = parts[i] ?? ''
    const part = parts[i + 1] ?? ''
    // To most servers `;` and a second `?` separate nothing: what stands behind them is the rest of a secret.
    if (isMasked && (separator === '?' || (separator === ';' && !part.includes('=')))) continue
    const cleaned = cleanPart(part, extra, depth)
    isMasked = cleaned !== part
    clean += separator + cleaned
  }
  return clean.includes('eyJ') ? clean.replace(JWT, MASK) : clean
}

function cleanPart(part: string, extra: readonly string[], depth: number): string {
  const equals = part.indexOf('=')
  if (equals === -1) return namesSecret(part, extra) || holdsHidden(part, extra, depth) ? MASK : part
  const before = part.slice(0, equals)
  // In a path the name is what stands behind the last slash.
  const name = before.slice(before.lastIndexOf('/') + 1)
  const value = part.slice(equals + 1)
  if (value === '') return part
  if (isSecretName(wholly(name), extra) || namesSecret(value, extra) || holdsHidden(value, extra, depth))
    return `${part.slice(0, equals + 1)}${MASK}`
  // `a=b=c`: names are read differently.
  return value.includes('=') ? `${part.slice(0, equals + 1)}${cleanPart(value, extra, depth)}` : part
}

/** Whether a value is an object, in JSON or XML, with a secret in it. */
function namesSecret(value: string, extra: readonly string[]): boolean {
  if (!/["'{<]/.test(value)) return false
  return [...value.matchAll(NAME_IN_VALUE)].some(([, name = '']) => isSecretName(name, extra))
}

/** Whether a text holds a secret once it is decoded: an address within an address. */
function holdsHidden(text: string, extra: readonly string[], depth: number): boolean {
  if (!text.includes('%')) return false
  const inner = decodePercent(text)
  if (inner === text) return false
  return depth >= MAX_NESTED || cleanText(inner, extra, depth + 1) !== inner
}

function isSecretName(name: string, extra: readonly string[]): boolean {
  const lower = name.toLowerCase()
  const letters = lower.replaceAll(/[^a-z0-9]/g, '')
  if (SECRET_PART.test(letters) || SECRET_NAMES.has(letters) || extra.includes(lower)) return true
  return name
    .replaceAll(/([a-z0-9])([A-Z])|([A-Z])([A-Z][a-z])/g, '$1$3 $2$4')
    .toLowerCase()
    .split(/[^a-z]+/)
    .some((word) => SECRET_WORDS.has(word) || (word.endsWith('s') && SECRET_WORDS.has(word.slice(0, -1))))
}

/** Decoded as often as it was encoded. */
function wholly(text: string): string {
  let inner = text
  for (let i = 0; i < MAX_NESTED && inner.includes('%'); i++) inner = decodePercent(inner)
  return inner
}

/** Masks what the route's `redactPath` names; all below the route when the path may be read in another way than the patterns are. */
function withoutSecretSegments(path: string, { path: prefix, rules }: Route): string {
  const rest = path.slice(prefix.length - 1)
  for (const pattern of rules.redactPath) {
    const [expression, masked] = compiled(pattern)
    if (expression.test(rest)) return path.slice(0, prefix.length - 1) + rest.replace(expression, masked)
  }
  return isSpecialPath(path) ? `${prefix}${MASK}` : path
}

const COMPILED = new Map<string, readonly [RegExp, string]>()
const MAX_COMPILED = 1024

/** The pattern as an expression, and what it is replaced by. */
function compiled(pattern: string): readonly [RegExp, string] {
  const known = COMPILED.get(pattern)
  if (known !== undefined) return known
  const pieces = pattern.split('{secret}').map((piece) => {
    const escaped = piece.replaceAll(/[$()+.]/g, String.raw`\$&`).replaceAll('*', '[^/]+')
    return `(${escaped})`
  })
  const masked = pieces.map((_, i) => `$${i + 1}`).join(MASK)
  const made = [new RegExp(`^${pieces.join('[^/]+')}`), masked] as const
  if (COMPILED.size >= MAX_COMPILED) COMPILED.clear()
  COMPILED.set(pattern, made)
  return made
}
