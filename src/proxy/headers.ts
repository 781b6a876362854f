import { holdsKey } from './authenticate.ts'
import type { ClientView } from './forwarded.ts'
import { CREDENTIAL, DROP, connectionTokens, headerCode, type RequestHead } from './request-head.ts'

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
  /** Path prefix of the route, without the trailing slash. */
  readonly prefix: string
}

/**
 * Fields for the upstream as a flat list: name, value, …. Hop-by-hop fields and all that Connection names are gone
 * (RFC 9110 §7.6.1), the client's copies of what the gateway sets itself are gone first, so `Connection: X-Forwarded-For`
 * cannot strip the gateway's. The gateway key is gone whichever way it came. Content-Length stays, for framing.
 */
export function upstreamHeaders(input: UpstreamHeaderInput): string[] {
  const { head, rawHeaders, client } = input
  const named = head.connectionTokens
  const out: string[] = []
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] ?? ''
    const value = rawHeaders[i + 1] ?? ''
    const lower = name.toLowerCase()
    const code = headerCode(lower)
    if (code === DROP || named?.includes(lower) === true) continue
    if (code === CREDENTIAL && !mayPass(input, lower, value)) continue
    out.push(name, value)
  }
  if (head.contentLength >= 0) out.push('content-length', String(head.contentLength))
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
    head.via === null ? `1.1 ${input.via}` : `${head.via}, 1.1 ${input.via}`,
  )
  if (input.prefix !== '') out.push('x-forwarded-prefix', input.prefix)
  return out
}

function mayPass(input: UpstreamHeaderInput, lower: string, value: string): boolean {
  const field = lower === 'authorization' ? 'authorization' : 'x-api-key'
  if (field === input.credentialField || holdsKey(field, value)) return false
  return field !== 'authorization' || input.authorization === null
}

/** RFC 7239 §4; IPv6 addresses are bracketed and quoted. */
function forwarded(client: ClientView): string {
  const node = client.ip.includes(':') ? `"[${client.ip}]"` : client.ip === '' ? 'unknown' : client.ip
  return `for=${node};proto=${client.proto};host="${client.host.replaceAll(/["\\]/g, '')}"`
}

/** A response's fields as the client may see them, and what the gateway needs to know of them. */
export interface ClientHeaders {
  /** Flat list: name, value, …, texts in latin1. */
  readonly fields: string[]
  readonly isChunked: boolean
  readonly hasLength: boolean
  /** Two readers could take the message to end in two places: 502. */
  readonly isAmbiguous: boolean
}

/**
 * Filters an upstream's response fields: hop-by-hop fields and what Connection names are gone (never Content-Length or
 * anything else of framing by being named there), a Content-Length that a 204 or 1xx may not bear is gone.
 * `raw` holds names and values in turn.
 */
export function clientHeaders(raw: readonly (Buffer | string)[], status: number): ClientHeaders {
  const fields: string[] = []
  const named: string[] = []
  let length: string | null = null
  let isChunked = false
  let isAmbiguous = false
  for (let i = 0; i < raw.length; i += 2) {
    const name = latin1(raw[i])
    const lower = name.toLowerCase()
    const value = latin1(raw[i + 1])
    if (lower === 'connection') {
      named.push(...connectionTokens(value))
    } else if (lower === 'transfer-encoding') {
      // Another coding was not asked for (no TE was sent), and without it the body would be passed on garbled.
      isAmbiguous ||= isChunked || value.toLowerCase() !== 'chunked'
      isChunked = true
    } else if (lower === 'content-length') {
      isAmbiguous ||= (length !== null && length !== value) || !/^\d+$/.test(value)
      length = value
    } else if (!isHopByHop(lower)) {
      fields.push(name, value)
    }
  }
  if (named.some((token) => token !== 'close' && token !== 'keep-alive')) removeNamed(fields, named)
  const mayHaveLength = status !== 204 && status >= 200
  if (length !== null && mayHaveLength && !isChunked) fields.push('Content-Length', length)
  return {
    fields,
    isChunked,
    hasLength: length !== null,
    isAmbiguous: isAmbiguous || (isChunked && length !== null),
  }
}

function latin1(value: Buffer | string | undefined): string {
  return typeof value === 'string' ? value : (value?.toString('latin1') ?? '')
}

const HOP_BY_HOP = new Set([
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'te',
  'upgrade',
  'http2-settings',
])

function isHopByHop(lower: string): boolean {
  return HOP_BY_HOP.has(lower)
}

function removeNamed(fields: string[], named: readonly string[]): void {
  for (let i = fields.length - 2; i >= 0; i -= 2) {
    if (named.includes((fields[i] ?? '').toLowerCase())) fields.splice(i, 2)
  }
}

/** Trailer names that must not arrive as trailers (RFC 9110 §6.5.1): framing, routing, authentication. */
const FORBIDDEN_TRAILERS =
  /^(?:content-length|transfer-encoding|host|connection|authorization|set-cookie|content-encoding|content-type|content-range|trailer|te|upgrade|via|x-request-id|www-authenticate|cache-control|x-forwarded-.*)$/i

/** Trailers that may be passed on, as pairs for `addTrailers`; null when none is left. */
export function clientTrailers(raw: readonly (Buffer | string)[]): [string, string][] | null {
  const trailers: [string, string][] = []
  for (let i = 0; i < raw.length; i += 2) {
    const name = latin1(raw[i])
    if (!FORBIDDEN_TRAILERS.test(name)) trailers.push([name, latin1(raw[i + 1])])
  }
  return trailers.length === 0 ? null : trailers
}
