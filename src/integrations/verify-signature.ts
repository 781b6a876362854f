import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import type { SignatureFault, SignatureRules } from '../model/integration/signature-rules.ts'
import { HMAC_SCHEMES, plainHmac, type Claim, type ClaimReader } from './hmac-schemes.ts'
import { fieldOf, SEVERAL, type SignedRequest } from './signed-request.ts'

/**
 * Whether a request is of somebody who has one of the route's secrets; null when it is. Compares in constant time, and as long whatever
 * secret it was. `nowMs` is epoch milliseconds.
 */
export function verifySignature(
  rules: SignatureRules,
  request: SignedRequest,
  nowMs: number,
): SignatureFault | null {
  const { scheme, secrets, toleranceMs } = rules
  if (scheme === 'gitlab') return compare(fieldOf(request, 'x-gitlab-token'), secrets)
  if (scheme === 'token') return compare(fieldOf(request, rules.tokenHeader ?? ''), secrets)
  if (scheme === 'basic') return compare(fieldOf(request, 'authorization'), secrets.map(basic), BASIC)
  const read: ClaimReader | undefined = rules.hmac === null ? HMAC_SCHEMES[scheme] : plainHmac(rules.hmac)
  if (read === undefined) throw new RangeError(`a signature scheme without a reader: ${scheme}`)
  const claim = read(request)
  if (typeof claim === 'string') return claim
  if (!isSigned(claim, secrets, scheme === 'standard-webhooks')) return 'wrong_signature'
  // Last, so that it is told only to who has a secret.
  const isLate = claim.seconds !== null && Math.abs(nowMs - claim.seconds * 1000) > toleranceMs
  return isLate ? 'stale_signature' : null
}

function isSigned(claim: Claim, secrets: readonly string[], isStandard: boolean): boolean {
  let isFound = false
  for (const secret of secrets) {
    const hmac = createHmac(claim.algorithm, isStandard ? standardKey(secret) : secret)
    for (const part of claim.message) hmac.update(part)
    const wanted = hmac.digest(claim.encoding)
    for (const signature of claim.signatures) {
      const given = claim.encoding === 'hex' ? signature.toLowerCase() : signature
      if (isSame(given, wanted)) isFound = true
    }
  }
  return isFound
}

/** `whsec_` and base64: see the Standard Webhooks specification, "Signature scheme". */
function standardKey(secret: string): Buffer {
  return Buffer.from(secret.replace(/^whsec_/, ''), 'base64')
}

/** RFC 7617 §2; the scheme's name is without regard to case. */
const BASIC = /^basic +/i

function basic(secret: string): string {
  return Buffer.from(secret).toString('base64')
}

function compare(
  field: string | typeof SEVERAL | null,
  secrets: readonly string[],
  scheme: RegExp | null = null,
): SignatureFault | null {
  if (field === null || field === '') return 'missing_signature'
  if (field === SEVERAL || (scheme !== null && !scheme.test(field))) return 'malformed_signature'
  const given = scheme === null ? field : field.replace(scheme, '')
  let isFound = false
  for (const secret of secrets) if (isSame(given, secret)) isFound = true
  return isFound ? null : 'wrong_signature'
}

/** Digests first: of texts of different lengths it would tell the length. */
function isSame(one: string, other: string): boolean {
  return timingSafeEqual(digest(one), digest(other))
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
