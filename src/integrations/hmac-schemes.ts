import { createHash } from 'node:crypto'
import type {
  HmacForm,
  SignatureAlgorithm,
  SignatureEncoding,
  SignatureFault,
  SignatureScheme,
} from '../model/integration/signature-rules.ts'
import { fieldOf, SEVERAL, type SignedHead } from './signed-head.ts'

/** What a request says of its signature: nothing of it counts before the signature does. */
export interface Claim {
  readonly algorithm: SignatureAlgorithm
  readonly encoding: SignatureEncoding
  /** Any of them will do: senders sign with the old and the new secret while one is rotated. */
  readonly signatures: readonly string[]
  /** Epoch seconds that are signed too; null where nothing of the kind is. */
  readonly seconds: number | null
  /** What is signed before the body. */
  readonly before: readonly string[]
  /** What is signed in place of the body, or a fault; null for the body itself. */
  readonly ofBody: ((body: Buffer) => readonly string[] | SignatureFault) | null
}

export type ClaimReader = (head: SignedHead) => Claim | SignatureFault

/** More candidates in one field cost more than they are good for. */
const MAX_SIGNATURES = 8
const SECONDS = /^\d{1,12}$/

/** One field with one signature; over seconds of another field, a dot and the body, or over the body alone. */
export function plainHmac({ header, algorithm, encoding, prefix, timestampHeader }: HmacForm): ClaimReader {
  return (request) => {
    const text = signatureField(request, header)
    if (typeof text !== 'string') return text.fault
    if (!text.startsWith(prefix)) return 'malformed_signature'
    const parts = { algorithm, encoding, signatures: [text.slice(prefix.length)], ofBody: null }
    if (timestampHeader === null) return { ...parts, seconds: null, before: [] }
    const time = timeField(request, timestampHeader)
    return typeof time === 'string' ? time : { ...parts, seconds: time.seconds, before: [time.text, '.'] }
  }
}

const ofBody = (header: string, prefix = '', encoding: SignatureEncoding = 'hex'): ClaimReader =>
  plainHmac({ header, prefix, encoding, algorithm: 'sha256', timestampHeader: null })

/**
 * Senders that sign with an HMAC, as their documents describe it: GitHub "Validating webhook deliveries", Bitbucket Cloud "Manage webhooks",
 * Gitea "Webhooks", Shopify "Verify webhook deliveries", Slack "Verifying requests from Slack", Stripe "Verify webhook signatures
 * manually", Twilio "Webhooks security", and the Standard Webhooks specification 1.0.
 */
export const HMAC_SCHEMES: Partial<Record<SignatureScheme, ClaimReader>> = {
  github: ofBody('x-hub-signature-256', 'sha256='),
  bitbucket: ofBody('x-hub-signature', 'sha256='),
  gitea: ofBody('x-gitea-signature'),
  shopify: ofBody('x-shopify-hmac-sha256', '', 'base64'),
  slack,
  stripe,
  'standard-webhooks': standardWebhooks,
  twilio,
}

function slack(request: SignedHead): Claim | SignatureFault {
  const text = signatureField(request, 'x-slack-signature')
  if (typeof text !== 'string') return text.fault
  const time = timeField(request, 'x-slack-request-timestamp')
  if (typeof time === 'string') return time
  if (!text.startsWith('v0=')) return 'malformed_signature'
  return hex([text.slice(3)], time.seconds, `v0:${time.text}:`)
}

/** `t=1492774577,v1=5257…,v1=6ffb…,v0=…`: only v1 counts. */
function stripe(request: SignedHead): Claim | SignatureFault {
  const text = signatureField(request, 'stripe-signature')
  if (typeof text !== 'string') return text.fault
  let time: string | null = null
  const signatures: string[] = []
  for (const part of text.split(',')) {
    const [name, value = ''] = part.trim().split('=', 2)
    if (name === 't') {
      if (time !== null) return 'malformed_signature'
      time = value
    } else if (name === 'v1') signatures.push(value)
  }
  if (time === null || !SECONDS.test(time) || !isFew(signatures)) return 'malformed_signature'
  return hex(signatures, Number(time), `${time}.`)
}

/** `v1,<base64> v1,<base64>`, also with the older names that begin with `svix-`. */
function standardWebhooks(request: SignedHead): Claim | SignatureFault {
  const start = fieldOf(request, 'webhook-signature') === null ? 'svix' : 'webhook'
  const text = signatureField(request, `${start}-signature`)
  if (typeof text !== 'string') return text.fault
  const id = fieldOf(request, `${start}-id`)
  const time = timeField(request, `${start}-timestamp`)
  if (typeof time === 'string') return time
  if (id === null || id === '' || id === SEVERAL) return 'malformed_signature'
  const signatures = text.split(' ').flatMap((one) => (one.startsWith('v1,') ? [one.slice(3)] : []))
  if (!isFew(signatures)) return 'malformed_signature'
  const before = [`${id}.${time.text}.`]
  return { algorithm: 'sha256', encoding: 'base64', signatures, seconds: time.seconds, before, ofBody: null }
}

/** The address, then names and values of a form in the order of their names; other bodies by a digest within the address. */
function twilio(request: SignedHead): Claim | SignatureFault {
  const text = signatureField(request, 'x-twilio-signature')
  if (typeof text !== 'string') return text.fault
  const url = request.url()
  if (url === null) return 'malformed_signature'
  const { contentType } = request
  return {
    algorithm: 'sha1',
    encoding: 'base64',
    signatures: [text],
    seconds: null,
    before: [url],
    ofBody: (body) => {
      if (FORM.test(contentType ?? '')) return formParts(body)
      if (body.length === 0) return []
      const told = URL.canParse(url) ? new URL(url).searchParams.get('bodySHA256') : null
      const isOfBody = told?.toLowerCase() === createHash('sha256').update(body).digest('hex')
      return isOfBody ? [] : 'wrong_signature'
    },
  }
}

const FORM = /^application\/x-www-form-urlencoded\b/i

function formParts(body: Buffer): string[] {
  const pairs = [...new URLSearchParams(body.toString())]
  const inOrder = pairs.toSorted((a, b) => byCodeUnits(a[0], b[0]) || byCodeUnits(a[1], b[1]))
  // The same pair twice is signed once.
  return inOrder.flatMap(([name, value], i) =>
    name === inOrder[i - 1]?.[0] && value === inOrder[i - 1]?.[1] ? [] : [name + value],
  )
}

function hex(signatures: readonly string[], seconds: number, before: string): Claim {
  return { algorithm: 'sha256', encoding: 'hex', signatures, seconds, before: [before], ofBody: null }
}

function isFew(signatures: readonly string[]): boolean {
  return signatures.length > 0 && signatures.length <= MAX_SIGNATURES
}

function byCodeUnits(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0
}

function signatureField(request: SignedHead, name: string): string | { fault: SignatureFault } {
  const text = fieldOf(request, name)
  if (text === null || text === '') return { fault: 'missing_signature' }
  return text === SEVERAL ? { fault: 'malformed_signature' } : text
}

function timeField(request: SignedHead, name: string): { text: string; seconds: number } | SignatureFault {
  const text = fieldOf(request, name)
  if (text === null) return 'missing_signature'
  return text !== SEVERAL && SECONDS.test(text) ? { text, seconds: Number(text) } : 'malformed_signature'
}
