const NAME = 'idempotency-key'
/** Longer ones are no key: Stripe's bound, and more than any UUID needs. */
export const MAX_KEY_LENGTH = 255

/** A String of RFC 8941 §3.3.3, alone, as draft-ietf-httpapi-idempotency-key-header-07 §2.1 has it. */
const QUOTED = /^"((?:[ !#-[\]-~]|\\["\\])*)"$/
/** Without quotes, as most clients write it: what cannot be taken for a list, a parameter or half a String. */
const BARE = /^[!#-+\--:<-[\]-~]+$/

/** The key of a request: null when there is none, '' for one that is malformed, too long, or stands twice. */
export function idempotencyKeyOf(rawHeaders: readonly string[]): string | null {
  let found: string | null = null
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] ?? ''
    if (name.length !== NAME.length || name.toLowerCase() !== NAME) continue
    if (found !== null) return ''
    found = readIdempotencyKey(rawHeaders[i + 1] ?? '')
  }
  return found
}

/** The key that a field's value holds, without quotes; '' for a value that is none. */
export function readIdempotencyKey(value: string): string {
  const text = value.trim()
  const quoted = QUOTED.exec(text)?.[1]
  const key = quoted === undefined ? (BARE.test(text) ? text : '') : quoted.replaceAll(/\\(["\\])/g, '$1')
  return key.length > MAX_KEY_LENGTH ? '' : key
}
