import type { UpstreamRequest } from '../request.ts'
import { strangerHeaders } from './stranger-headers.ts'

const STATUSES = new Set([301, 302, 303, 307, 308])
/** Addresses that stores sign have some 2 KB. */
const MAX_ADDRESS = 8192

/** Where a redirect of GET or HEAD leads (RFC 9110 §15.4); null for any other answer, and for an address that nobody could read. */
export function redirectTarget(
  status: number,
  fields: readonly string[],
  request: UpstreamRequest,
): URL | null {
  if (!STATUSES.has(status)) return null
  let location: string | null = null
  for (let i = 0; i < fields.length; i += 2) {
    if (fields[i]?.toLowerCase() !== 'location') continue
    if (location !== null) return null
    location = fields[i + 1] ?? ''
  }
  if (location === null || location === '' || location.length > MAX_ADDRESS) return null
  const base = request.origin + request.path
  if (!URL.canParse(location, base)) return null
  const url = new URL(location, base)
  return url.protocol === 'http:' || url.protocol === 'https:' ? url : null
}

/** The same request at another address. Another origin is a stranger for good, whoever it redirects to. */
export function requestAt(url: URL, request: UpstreamRequest): UpstreamRequest {
  const isSame = url.origin === request.origin
  return {
    ...request,
    origin: url.origin,
    path: url.pathname + url.search,
    standing: isSame ? request.standing : 'stranger',
    headers: isSame ? request.headers : strangerHeaders(request.headers),
    host: isSame ? request.host : null,
    isBoundToConnection: isSame && request.isBoundToConnection,
    tick: performance.now(),
  }
}

/** What a host that a client has not asked says, as it may say it in the gateway's name: whole addresses, and no cookies. */
export function settledFields(fields: readonly string[], request: UpstreamRequest): string[] {
  const settled: string[] = []
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i] ?? ''
    const value = fields[i + 1] ?? ''
    const lower = name.toLowerCase()
    if (lower === 'set-cookie') continue
    const isAddress = lower === 'location' || lower === 'content-location'
    const base = request.origin + request.path
    settled.push(name, isAddress && URL.canParse(value, base) ? new URL(value, base).href : value)
  }
  return settled
}
