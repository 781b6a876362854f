import { holdsKey, maskKeys } from '../../model/api-key.ts'
import { hidesKey } from './credentials.ts'
import type { ClientView } from './client-view.ts'
import type { HeaderChanges } from '../../model/route-rules.ts'
import { isRateLimitField } from '../../http/rate-limit-fields.ts'
import { CREDENTIAL, DROP, addTokens, cgiName, fieldName, type RequestHead } from '../../http/request-head.ts'

/** What the gateway adds to a request on its way upstream. */
export interface UpstreamHeaderInput {
  readonly head: RequestHead
  readonly rawHeaders: readonly string[]
  /** Field that carried the gateway key, or null. */
  readonly credentialField: 'authorization' | 'x-api-key' | null
  /** Authorization for the upstream, or null to pass the client's. */
  readonly authorization: string | null
  readonly client: ClientView
  readonly requestId: string
  readonly traceparent: string
  /** This gateway's pseudonym in Via. */
  readonly via: string
  /** Destination as the upstream is to see it; null to leave it. */
  readonly destination?: string | null
  /** The method is OPTIONS: Max-Forwards counts. */
  readonly isOptions?: boolean
  /** Path prefix of the route as clients see it, without the trailing slash. */
  readonly prefix: string
  /** Of the body as it goes on; -1 for none, or for one of unknown length. */
  readonly contentLength: number
  /** The route's own changes. */
  readonly changes: HeaderChanges
}

/**
 * Fields for the upstream as a flat list: name, value, …. Hop-by-hop fields and all that Connection names are gone
 * (RFC 9110 §7.6.1), the client's copies of what the gateway sets itself are gone first, so `Connection: X-Forwarded-For`
 * cannot strip the gateway's. The gateway key is gone whichever way it came. Content-Length stays, for framing.
 */
export function upstreamHeaders(input: UpstreamHeaderInput): string[] {
  const { head, rawHeaders, client } = input
  const named = head.connectionTokens
  const { removed, set } = input.changes
  const out: string[] = []
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] ?? ''
    const value = rawHeaders[i + 1] ?? ''
    const { lower, code } = fieldName(name)
    if (code === DROP || named?.has(lower) === true) continue
    if (removed.length > 0 && removed.includes(cgiName(lower))) continue
    if (code === CREDENTIAL && !mayPass(input, lower, value)) continue
    if (holdsKey(value) || holdsKey(name)) continue // law 8 by value: whichever field it is in
    if (lower === 'destination' && typeof input.destination === 'string') {
      out.push(name, input.destination)
      continue
    }
    // RFC 9110 §7.6.2.
    if (head.maxForwards !== null && input.isOptions && lower === 'max-forwards') {
      out.push(name, decremented(value))
      continue
    }
    out.push(name, value)
  }
  if (input.contentLength >= 0) out.push('content-length', String(input.contentLength))
  if (head.acceptsTrailers) out.push('te', 'trailers')
  if (input.authorization !== null) out.push('authorization', input.authorization)
  out.push(
    'x-forwarded-for',
    client.forwardedFor,
    'x-forwarded-proto',
    client.proto,
    'x-forwarded-host',
    client.host,
    'forwarded',
    forwarded(client),
    'x-request-id',
    input.requestId,
    'traceparent',
    input.traceparent,
    'via',
    head.via === null ? `1.1 ${input.via}` : `${maskKeys(head.via)}, 1.1 ${input.via}`,
  )
  if (input.prefix !== '') out.push('x-forwarded-prefix', input.prefix)
  if (set.length > 0) out.push(...set)
  return out
}

/** One less, and not more than a recipient need read; what is no number stays. */
function decremented(value: string): string {
  return /^\d+$/.test(value) ? String(Math.min(Math.max(0, Number(value) - 1), 65_535)) : value
}

function mayPass(input: UpstreamHeaderInput, lower: string, value: string): boolean {
  const field = lower === 'authorization' ? 'authorization' : 'x-api-key'
  if (field === input.credentialField || hidesKey(value)) return false
  return field !== 'authorization' || input.authorization === null
}

/** RFC 7239 §4; IPv6 addresses are bracketed and quoted. */
function forwarded(client: ClientView): string {
  const node = client.ip.includes(':') ? `"[${client.ip}]"` : client.ip === '' ? 'unknown' : client.ip
  const { host } = client
  // A valid Host holds neither; the test first, as in most of the requests there is nothing to replace.
  const isPlain = !host.includes('"') && !host.includes('\\')
  return `for=${node};proto=${client.proto};host="${isPlain ? host : host.replaceAll(/["\\]/g, '')}"`
}

/** A response's fields as the client may see them, and what the gateway needs to know of them. */
export interface ClientHeaders {
  /** Flat list: name, value, …, texts in latin1. */
  readonly fields: string[]
  readonly isChunked: boolean
  readonly hasLength: boolean
  /** Two readers could take the message to end in two places: 502. */
  readonly isAmbiguous: boolean
  /** Some field says how much the upstream may be asked: see `readRateLimit`. */
  readonly hasRateLimit: boolean
}

/**
 * Filters an upstream's response fields: hop-by-hop fields and what Connection names are gone (never Content-Length or
 * anything else of framing by being named there), a Content-Length that a 204 or 1xx may not bear is gone.
 * `raw` holds names and values in turn.
 */
export function clientHeaders(raw: readonly string[], status: number): ClientHeaders {
  const fields: string[] = []
  let named: Set<string> | null = null
  let length: string | null = null
  let isChunked = false
  let isAmbiguous = false
  let hasRateLimit = false
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i] ?? ''
    const value = raw[i + 1] ?? ''
    // Most fields are told by their length: no lower case is made of them.
    const kind =
      name.length < SPECIAL_LENGTHS.length && SPECIAL_LENGTHS[name.length] === 1 ? kindOf(name) : 'end-to-end'
    if (kind === 'end-to-end') {
      fields.push(name, value)
      hasRateLimit ||= isRateLimitField(name)
    } else if (kind === 'connection') {
      if (value === 'keep-alive' || value === 'close') continue
      named ??= new Set()
      addTokens(named, value, Infinity)
    } else if (kind === 'transfer-encoding') {
      // Another coding was not asked for (no TE was sent), and without it the body would be passed on garbled.
      isAmbiguous ||= isChunked || value.toLowerCase() !== 'chunked'
      isChunked = true
    } else if (kind === 'content-length') {
      isAmbiguous ||= (length !== null && length !== value) || !/^\d+$/.test(value)
      length = value
    }
  }
  named?.delete('close')
  named?.delete('keep-alive')
  if (named !== null && named.size > 0) removeNamed(fields, named)
  const mayHaveLength = status !== 204 && status >= 200
  if (length !== null && mayHaveLength && !isChunked) fields.push('Content-Length', length)
  return {
    fields,
    isChunked,
    hasLength: length !== null,
    isAmbiguous: isAmbiguous || (isChunked && length !== null),
    hasRateLimit,
  }
}

/** What becomes of a response's field. */
type Kind = 'end-to-end' | 'connection' | 'transfer-encoding' | 'content-length' | 'hop-by-hop'

const KINDS = new Map<string, Kind>([
  ['connection', 'connection'],
  ['transfer-encoding', 'transfer-encoding'],
  ['content-length', 'content-length'],
  ['keep-alive', 'hop-by-hop'],
  ['proxy-connection', 'hop-by-hop'],
  ['proxy-authenticate', 'hop-by-hop'],
  ['te', 'hop-by-hop'],
  ['upgrade', 'hop-by-hop'],
  ['http2-settings', 'hop-by-hop'],
])
/** 1 at each length that a name above has. */
const SPECIAL_LENGTHS = lengthsOf(KINDS.keys())

function lengthsOf(names: Iterable<string>): Uint8Array {
  const lengths = new Uint8Array(32)
  for (const name of names) lengths[name.length] = 1
  return lengths
}

function kindOf(name: string): Kind {
  return KINDS.get(name.toLowerCase()) ?? 'end-to-end'
}

/** In one pass: an upstream may send thousands of fields, and name them all. */
function removeNamed(fields: string[], named: ReadonlySet<string>): void {
  let kept = 0
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i] ?? ''
    if (named.has(name.toLowerCase())) continue
    fields[kept] = name
    fields[kept + 1] = fields[i + 1] ?? ''
    kept += 2
  }
  fields.length = kept
}

/** Trailer names that must not arrive as trailers (RFC 9110 §6.5.1): framing, routing, authentication. */
const FORBIDDEN_TRAILERS =
  /^(?:content-length|transfer-encoding|host|connection|authorization|set-cookie|content-encoding|content-type|content-range|trailer|te|upgrade|via|x-request-id|www-authenticate|cache-control|x-forwarded-.*)$/i

/** Trailers that may be passed on, as pairs for `addTrailers`; null when none is left. */
export function clientTrailers(raw: readonly string[]): [string, string][] | null {
  const trailers: [string, string][] = []
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i] ?? ''
    if (!FORBIDDEN_TRAILERS.test(name)) trailers.push([name, raw[i + 1] ?? ''])
  }
  return trailers.length === 0 ? null : trailers
}
