/** Senders whose way to sign is known, and three ways for others: any HMAC, a token in a field, Basic. */
export const SIGNATURE_SCHEMES = [
  'github',
  'gitlab',
  'bitbucket',
  'gitea',
  'stripe',
  'slack',
  'shopify',
  'standard-webhooks',
  'twilio',
  'hmac',
  'token',
  'basic',
] as const

export type SignatureScheme = (typeof SIGNATURE_SCHEMES)[number]

export const SIGNATURE_ALGORITHMS = ['sha1', 'sha256', 'sha512'] as const
export const SIGNATURE_ENCODINGS = ['hex', 'base64'] as const

export type SignatureAlgorithm = (typeof SIGNATURE_ALGORITHMS)[number]
export type SignatureEncoding = (typeof SIGNATURE_ENCODINGS)[number]

/** Which field has the signature, and of what it is, for the scheme `hmac`. */
export interface HmacForm {
  /** Lower case. */
  readonly header: string
  readonly algorithm: SignatureAlgorithm
  readonly encoding: SignatureEncoding
  /** What stands before the signature: `sha256=`. */
  readonly prefix: string
  /** A field with the epoch's seconds, lower case; then seconds, a dot and the body are what is signed. Null for the body alone. */
  readonly timestampHeader: string | null
}

/** How requests of a route prove who sent them. */
export interface SignatureRules {
  readonly scheme: SignatureScheme
  /** Secrets, at least one: any of them will do, so that one can be rotated. For `basic` each is `user:password`. */
  readonly secrets: readonly string[]
  /** A signed time may be so far from now, either way. */
  readonly toleranceMs: number
  /** Of the scheme `hmac`; null for others. */
  readonly hmac: HmacForm | null
  /** The field of the scheme `token`, lower case; null for others. */
  readonly tokenHeader: string | null
}

/** Why a request is not believed. */
export type SignatureFault =
  | 'missing_signature'
  | 'malformed_signature'
  | 'wrong_signature'
  | 'stale_signature'

/** The key in a secret of Standard Webhooks: base64, with or without `whsec_` before it (its specification, "Signature scheme"). */
export function standardKey(secret: string): Buffer {
  return Buffer.from(secret.replace(/^whsec_/, ''), 'base64')
}
