/** A token as a token server gives it. */
export interface IssuedToken {
  /** A secret. Fit for a field's value. */
  readonly token: string
  /** How long it holds, from when it was asked for. */
  readonly lifeMs: number
}

/** Those of clouds have up to 4 KB; more would not fit into what upstreams take of a head. */
const MAX_TOKEN_CHARS = 16_384
const TOKEN = /^[\x21-\x7e]+$/
/** Distribution, "Token Authentication": what holds where the server does not say. */
const DEFAULT_SECONDS = 60
/** Longer is not believed: a token that was withdrawn costs a request each. */
const MAX_SECONDS = 86_400

/** Reads the JSON body of a token server's answer; null where there is no token in it that could be sent. */
export function issuedToken(body: string): IssuedToken | null {
  let value: unknown
  try {
    value = JSON.parse(body)
  } catch {
    return null
  }
  if (typeof value !== 'object' || value === null) return null
  const members = value as Readonly<Record<string, unknown>>
  // Both stand for the same (ibid.); some servers send the other one empty.
  const token = [members['token'], members['access_token']].find(
    (one) => typeof one === 'string' && one !== '',
  )
  if (typeof token !== 'string' || token.length > MAX_TOKEN_CHARS || !TOKEN.test(token)) return null
  return { token, lifeMs: secondsOf(members['expires_in']) * 1000 }
}

function secondsOf(value: unknown): number {
  if (typeof value !== 'number' || !Number.isFinite(value)) return DEFAULT_SECONDS
  return Math.min(Math.max(0, value), MAX_SECONDS)
}
