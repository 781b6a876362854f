import { z } from 'zod'
import { DURATION_FORM } from '../../model/duration.ts'
import {
  SIGNATURE_ALGORITHMS,
  SIGNATURE_ENCODINGS,
  SIGNATURE_SCHEMES,
  standardKey,
} from '../../model/integration/signature-rules.ts'
import type { Route, RouteSignature } from '../../model/route.ts'
import { duration, key } from '../route-key.ts'

const KIB = 1024
/** Bytes of a signed body, which is held until it is verified: more would let few senders fill what all may have. */
const BODY_BYTES = { usual: 10 * KIB * KIB, most: 32 * KIB * KIB }
/** Twilio's forms are taken apart and sorted in one go. */
const FORM_BYTES = { usual: 256 * KIB, most: 1024 * KIB }
/** Standard Webhooks 1.0, "Signature scheme": between 24 and 64 bytes. */
const MIN_STANDARD_KEY_BYTES = 24

const header = z
  .string()
  .regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}$/, 'must be the name of a field')
  .transform((name) => name.toLowerCase())
  .optional()

/** The `signature` of a route. */
export const signature = z.strictObject({
  scheme: key(
    z.enum(SIGNATURE_SCHEMES),
    `one of ${SIGNATURE_SCHEMES.join(', ')}`,
    'Whose way to sign it is; `hmac` with the keys below, `token` a secret in a field, `basic` user and password',
    'required',
  ),
  secrets: key(
    z.array(z.string().min(8, 'must have 8 characters at least').max(4096)).min(1).max(8),
    'a list of 1 to 8 texts of at least 8 characters, or ${env:…}; user:password for basic',
    'Any of them will do, so that one can be rotated; secrets',
    'required',
  ),
  toleranceMs: key(
    duration(1000, 300_000),
    `milliseconds, or ${DURATION_FORM}; at least 1000`,
    'How far from now a signed time may be, either way',
  ),
  header: key(
    header,
    'the name of a field',
    'Where the signature (`hmac`) or the secret (`token`) stands',
    'none',
  ),
  algorithm: key(
    z.enum(SIGNATURE_ALGORITHMS).default('sha256'),
    `one of ${SIGNATURE_ALGORITHMS.join(', ')}`,
    'Of `hmac`',
  ),
  encoding: key(
    z.enum(SIGNATURE_ENCODINGS).default('hex'),
    `one of ${SIGNATURE_ENCODINGS.join(', ')}`,
    'Of `hmac`',
  ),
  prefix: key(
    z.string().max(64).default(''),
    'a text such as sha256=',
    'What stands before the signature of `hmac`',
  ),
  timestampHeader: key(
    header,
    'the name of a field with seconds since 1970',
    'With `hmac`: those seconds, a dot and the body are signed',
    'the body alone is signed',
  ),
})

type SignatureKeys = z.infer<typeof signature>

/** What is wrong with how a route's senders are known: problems begin with the key's name. */
export function signatureProblems(
  route: Pick<Route, 'auth' | 'kind' | 'maxBodyBytes'>,
  keys: SignatureKeys | undefined,
  tenant: string | undefined,
): string[] {
  if (route.auth !== 'signature') {
    return [
      ...(keys === undefined ? [] : ['signature: needs auth: signature']),
      ...(tenant === undefined ? [] : ['tenant: needs auth: signature']),
    ]
  }
  const problems: string[] = []
  if (route.kind !== 'integration') problems.push('auth: signature needs kind: integration')
  if (tenant === undefined) problems.push('tenant: is required with auth: signature')
  const { most } = bodyBytes(keys)
  if (route.maxBodyBytes > most)
    problems.push(
      `maxBodyBytes: must be at most ${most / KIB}KiB with such a signature, since bodies are held`,
    )
  if (keys === undefined) return [...problems, 'signature: is required with auth: signature']
  const { scheme, secrets } = keys
  const needsHeader = scheme === 'hmac' || scheme === 'token'
  if (needsHeader !== (keys.header !== undefined))
    problems.push(`signature.header: ${needsHeader ? 'is required' : 'is not taken'} with scheme: ${scheme}`)
  if (scheme !== 'hmac' && (keys.timestampHeader !== undefined || keys.prefix !== ''))
    problems.push(`signature: prefix and timestampHeader are not taken with scheme: ${scheme}`)
  if (scheme === 'basic' && !secrets.every((one) => /^[^:]+:./.test(one)))
    problems.push('signature.secrets: must be user:password with scheme: basic')
  if ((scheme === 'token' || scheme === 'gitlab') && !secrets.every((one) => /^[!-~]+$/.test(one)))
    problems.push(`signature.secrets: must be printable ASCII without blanks with scheme: ${scheme}`)
  if (
    scheme === 'standard-webhooks' &&
    !secrets.every((one) => /^(?:whsec_)?[A-Za-z0-9+/]+={0,2}$/.test(one))
  )
    problems.push(
      'signature.secrets: must be base64, with or without whsec_ before it, with scheme: standard-webhooks',
    )
  else if (
    scheme === 'standard-webhooks' &&
    !secrets.every((one) => standardKey(one).length >= MIN_STANDARD_KEY_BYTES)
  )
    problems.push(
      `signature.secrets: must have ${MIN_STANDARD_KEY_BYTES} bytes at least with scheme: standard-webhooks`,
    )
  return problems
}

function bodyBytes(keys: SignatureKeys | undefined): typeof BODY_BYTES {
  return keys?.scheme === 'twilio' ? FORM_BYTES : BODY_BYTES
}

/** The longest body of a route whose senders sign, unless it says otherwise. */
export function usualBodyBytes(keys: SignatureKeys | undefined): number {
  return bodyBytes(keys).usual
}

/** Of keys without problems. */
export function signatureOf(keys: SignatureKeys, tenant: string): RouteSignature {
  const { scheme, secrets, toleranceMs, header: name = '', timestampHeader = null, ...form } = keys
  const { algorithm, encoding, prefix } = form
  return {
    tenant,
    scheme,
    secrets,
    toleranceMs,
    hmac: scheme === 'hmac' ? { header: name, algorithm, encoding, prefix, timestampHeader } : null,
    tokenHeader: scheme === 'token' ? name : null,
  }
}
