import { createHash, createHmac, timingSafeEqual, type Hmac } from 'node:crypto'
import {
  standardKey,
  type SignatureFault,
  type SignatureRules,
} from '../model/integration/signature-rules.ts'
import { HMAC_SCHEMES, plainHmac, type Claim, type ClaimReader } from './hmac-schemes.ts'
import { fieldOf, SEVERAL, type SignedHead } from './signed-head.ts'

/** What a head tells: that it is of who has a secret, that it is not, or nothing before its body is here. */
export type HeadVerdict = SignatureFault | 'verified' | BodyCheck

/**
 * What the head of a request tells of its sender. Compares in constant time, and as long whatever secret it was. `nowMs` is epoch
 * milliseconds.
 */
export function verifyHead(rules: SignatureRules, head: SignedHead, nowMs: number): HeadVerdict {
  const { scheme, secrets, toleranceMs } = rules
  if (scheme === 'gitlab') return compare(fieldOf(head, 'x-gitlab-token'), secrets)
  if (scheme === 'token') return compare(fieldOf(head, rules.tokenHeader ?? ''), secrets)
  if (scheme === 'basic') return compare(fieldOf(head, 'authorization'), secrets.map(basic), BASIC)
  const read: ClaimReader | undefined = rules.hmac === null ? HMAC_SCHEMES[scheme] : plainHmac(rules.hmac)
  if (read === undefined) throw new RangeError(`a signature scheme without a reader: ${scheme}`)
  const claim = read(head)
  if (typeof claim === 'string') return claim
  if (claim.seconds !== null && Math.abs(nowMs - claim.seconds * 1000) > toleranceMs) return 'stale_signature'
  const keys = secrets.map((secret) => (scheme === 'standard-webhooks' ? standardKey(secret) : secret))
  return new BodyCheck(claim, keys)
}

/** A body that is hashed as it comes, so that none of its pieces holds others up for long. */
export class BodyCheck {
  readonly #claim: Claim
  readonly #hmacs: readonly Hmac[]

  constructor(claim: Claim, keys: readonly (string | Buffer)[]) {
    this.#claim = claim
    this.#hmacs = keys.map((key) => {
      const hmac = createHmac(claim.algorithm, key)
      for (const part of claim.before) hmac.update(part)
      return hmac
    })
  }

  /** The next bytes of the body, as received: nothing is decoded before it is verified. */
  update(bytes: Buffer): void {
    if (this.#claim.ofBody === null) for (const hmac of this.#hmacs) hmac.update(bytes)
  }

  /** To be asked once, when all of the body has come; null when one of the secrets made one of the signatures. */
  verdict(body: Buffer): SignatureFault | null {
    const { ofBody, encoding, signatures } = this.#claim
    const parts = ofBody === null ? [] : ofBody(body)
    if (typeof parts === 'string') return parts
    let isFound = false
    for (const hmac of this.#hmacs) {
      for (const part of parts) hmac.update(part)
      const wanted = hmac.digest(encoding)
      for (const signature of signatures)
        if (isSame(encoding === 'hex' ? signature.toLowerCase() : signature, wanted)) isFound = true
    }
    return isFound ? null : 'wrong_signature'
  }
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
): SignatureFault | 'verified' {
  if (field === null || field === '') return 'missing_signature'
  if (field === SEVERAL || (scheme !== null && !scheme.test(field))) return 'malformed_signature'
  const given = scheme === null ? field : field.replace(scheme, '')
  let isFound = false
  for (const secret of secrets) if (isSame(given, secret)) isFound = true
  return isFound ? 'verified' : 'wrong_signature'
}

/** Digests first: of texts of different lengths it would tell the length. */
function isSame(one: string, other: string): boolean {
  return timingSafeEqual(digest(one), digest(other))
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
