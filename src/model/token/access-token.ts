import { createHmac, timingSafeEqual } from 'node:crypto'
import { signingKeyAt, type SigningKey } from './signing-key.ts'

/**
 * A token is a JSON Web Token (RFC 7519) signed by HMAC-SHA-256 (`HS256`, RFC 7518 §3.2): each gateway makes tokens and knows those of all,
 * so one secret is enough, and a check needs no await and an eighth of Ed25519's time (0482). It stands for a key, which is looked
 * up at each request: what ends the key ends its tokens.
 */
export interface TokenClaims {
  /** Public id of the key; '' for nobody, whom only public routes serve. */
  readonly keyId: string
  readonly access: readonly TokenAccess[]
}

/** What a token is good for (Distribution, "Token Authentication": `access`). */
export interface TokenAccess {
  /** `repository`, or `registry` for its catalogue. */
  readonly type: string
  /** As clients name it. */
  readonly name: string
  readonly actions: readonly string[]
}

/** A token's life. Clients fetch another when 60 s of it are left, or at the first 401. */
export const TOKEN_LIFE_SECONDS = 300
/** Clocks of gateways, all of which go by the database's, may differ by so much. */
const SKEW_MS = 10_000
/** 16 repositories with names of 255 characters. */
const MAX_TOKEN = 8192
const ISSUER = 'waybill'
/** What the text of every token starts with: no other issuer's does, so that none is forwarded to an upstream. */
export const TOKEN_MARK = Buffer.from('{"typ":"waybill').toString('base64url')
const FORM = /^[A-Za-z0-9_-]{20,200}\.[A-Za-z0-9_-]{2,8192}\.[A-Za-z0-9_-]{43}$/

/** Why a token does not count. */
export type TokenFault = 'token_unknown_key' | 'token_signature' | 'token_audience' | 'token_expired'

/** Whether a text is meant for a token; says nothing about whether it is a good one. */
export function isTokenForm(text: string): boolean {
  return text.startsWith('eyJ') && text.length <= MAX_TOKEN && FORM.test(text)
}

/** A new token; null without a key to sign it. `audience`: the host at which it is good. */
export function mintToken(
  { keyId, access }: TokenClaims,
  audience: string,
  keys: readonly SigningKey[],
  nowMs: number,
): string | null {
  const key = signingKeyAt(keys, nowMs)
  if (key === null) return null
  const iat = Math.floor(nowMs / 1000)
  const claims = {
    iss: ISSUER,
    sub: keyId,
    aud: audience,
    iat,
    nbf: iat,
    exp: iat + TOKEN_LIFE_SECONDS,
    access,
  }
  const body = `${encoded({ typ: 'waybill+jwt', alg: 'HS256', kid: key.kid })}.${encoded(claims)}`
  return `${body}.${signature(body, key).toString('base64url')}`
}

/** What a text of `isTokenForm` says, if it is a token that is good here and now. Nothing of it counts before its signature does. */
export function readToken(
  text: string,
  audience: string,
  keys: readonly SigningKey[],
  nowMs: number,
): TokenClaims | TokenFault {
  const [head = '', body = '', sign = ''] = text.split('.')
  const header = decoded(head)
  const kid = header?.['alg'] === 'HS256' ? header['kid'] : null
  const key = keys.find((known) => known.kid === kid)
  if (key === undefined) return 'token_unknown_key'
  const given = Buffer.from(sign, 'base64url')
  const wanted = signature(`${head}.${body}`, key)
  if (given.length !== wanted.length || !timingSafeEqual(given, wanted)) return 'token_signature'
  const claims = decoded(body)
  if (claims?.['iss'] !== ISSUER || claims['aud'] !== audience) return 'token_audience'
  const { nbf, exp, sub, access } = claims
  if (typeof nbf !== 'number' || typeof exp !== 'number') return 'token_expired'
  if (nowMs < nbf * 1000 - SKEW_MS || nowMs >= exp * 1000 + SKEW_MS) return 'token_expired'
  // One that was signed after its key was to retire: whoever signed it had the key longer than it should.
  const { retiresAtMs } = key
  if (retiresAtMs !== null && nowMs >= retiresAtMs + TOKEN_LIFE_SECONDS * 1000 + SKEW_MS)
    return 'token_expired'
  return { keyId: typeof sub === 'string' ? sub : '', access: isAccess(access) ? access : [] }
}

/** Whether a token permits an action on what a client names so. */
export function tokenPermits(
  access: readonly TokenAccess[],
  type: string,
  name: string,
  action: string,
): boolean {
  return access.some(
    (one) =>
      one.type === type && one.name === name && (one.actions.includes(action) || one.actions.includes('*')),
  )
}

function signature(text: string, { secret }: SigningKey): Buffer {
  return createHmac('sha256', Buffer.from(secret, 'base64url')).update(text).digest()
}

function encoded(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}

function decoded(text: string): Readonly<Record<string, unknown>> | null {
  try {
    const value: unknown = JSON.parse(Buffer.from(text, 'base64url').toString('utf8'))
    return typeof value === 'object' && value !== null ? { ...value } : null
  } catch {
    return null
  }
}

/** Of what a gateway signed itself; another version of it may write it in another way. */
function isAccess(value: unknown): value is readonly TokenAccess[] {
  return (
    Array.isArray(value) &&
    value.every(
      (one: unknown) =>
        typeof one === 'object' &&
        one !== null &&
        'type' in one &&
        'name' in one &&
        'actions' in one &&
        Array.isArray(one.actions),
    )
  )
}
