/** What the gateway reads of a request's head, gathered in one pass over the raw header list. */
export interface RequestHead {
  /** Host field, or null when absent. */
  host: string | null
  authorization: string | null
  apiKey: string | null
  /** Declared body length in bytes; -1 when there is none. */
  contentLength: number
  isChunked: boolean
  /** Tokens of the Connection fields, lower case; null for the usual `keep-alive` or `close`. */
  connectionTokens: Set<string> | null
  upgrade: string | null
  /** The client can take trailers (RFC 9110 §6.5.1). */
  acceptsTrailers: boolean
  requestId: string | null
  traceparent: string | null
  userAgent: string
  contentType: string | null
  /** Methods that fields such as X-HTTP-Method-Override name, in upper case; null without such a field. */
  methodOverride: string | null
  via: string | null
  /** Destination, '' when there are several. */
  destination: string | null
  maxForwards: string | null
  /** Several fields of one of these names are joined by commas, as the lists that they are. */
  forwardedFor: string | null
  forwarded: string | null
  realIp: string | null
  forwardedProto: string | null
  forwardedHost: string | null
  /** A field that may stand once stood twice, so that two readers could differ: refused. */
  isAmbiguous: boolean
  /** More fields, or more that Connection names, than `HeadBounds` allows: refused before anything is done with them. */
  isTooLarge: boolean
}

/** How much there may be in a head, within its bytes. */
export interface HeadBounds {
  readonly maxFields: number
  readonly maxConnectionTokens: number
}

/** As many as the bytes of a head hold. */
export const UNBOUNDED_HEAD: HeadBounds = { maxFields: Infinity, maxConnectionTokens: Infinity }

/** Header codes: what to do with a field on its way upstream. */
const PASS = 0
/** Never forwarded as it came: hop-by-hop (RFC 9110 §7.6.1), framing, or set anew by the gateway. */
export const DROP = 1
/** Forwarded unless it carried the gateway key or the route sets its own. */
export const CREDENTIAL = 2

const READ_AND_DROP = [
  'host',
  'connection',
  'content-length',
  'transfer-encoding',
  'upgrade',
  'te',
  'x-request-id',
  'traceparent',
  'via',
  'x-forwarded-for',
  'x-forwarded-proto',
  'x-forwarded-host',
  'forwarded',
  'x-real-ip',
]
const JUST_DROP = [
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'proxy-authorization',
  'http2-settings',
  'trailer',
  'expect',
  // A CGI-like upstream makes HTTP_PROXY of it (CVE-2016-5385).
  'proxy',
  'x-waybill-tenant',
  'x-waybill-key-id',
  // What servers and frameworks take for the client's address,
  ...'client-ip x-client-ip true-client-ip x-real-client-ip x-cluster-client-ip x-remote-ip'.split(' '),
  ...'x-remote-addr x-originating-ip x-original-forwarded-for x-original-remote-addr'.split(' '),
  ...'x-forward-for x-envoy-external-address x-azure-clientip x-azure-socketip'.split(' '),
  ...'cf-connecting-ip cf-connecting-ipv6 cf-pseudo-ipv4 fastly-client-ip fly-client-ip'.split(' '),
  ...'x-appengine-user-ip x-proxyuser-ip proxy-client-ip wl-proxy-client-ip x-nf-client-connection-ip'.split(
    ' ',
  ),
  ...'remote-addr remote-host x-remote-host x-source-ip x-original-client-ip x-custom-ip-authorization'.split(
    ' ',
  ),
  ...'x-sucuri-clientip incap-client-ip ali-cdn-real-ip cdn-src-ip'.split(' '),
  // for the scheme, host and path that were asked for,
  ...'x-host x-original-host x-http-host-override x-original-url x-original-uri x-rewrite-url'.split(' '),
  ...'x-envoy-original-path x-original-method x-original-path x-rewrite-uri x-override-url'.split(' '),
  ...'x-scheme x-url-scheme x-original-scheme x-original-proto front-end-https cloudfront-forwarded-proto'.split(
    ' ',
  ),
  // for the certificate that a client has shown (RFC 9440 §2.4 has a proxy take the first two away),
  ...'client-cert client-cert-chain x-client-cert x-client-verify x-client-dn x-arr-clientcert'.split(' '),
  ...['ssl-client', 'x-ssl-client'].flatMap((start) =>
    ['', ...'cert verify dn s-dn i-dn subject-dn issuer-dn cn fingerprint serial'.split(' ')].map((end) =>
      end === '' ? start : `${start}-${end}`,
    ),
  ),
  // and for who has been authenticated by the proxy in front.
  ...'remote-user remote-name remote-email remote-groups x-remote-user x-remote-group x-remote-groups'.split(
    ' ',
  ),
  ...'x-webauth-user x-webauth-name x-webauth-email x-webauth-groups x-webauth-role x-vouch-user'.split(' '),
  ...'x-authenticated-user x-authenticated-userid x-authenticated-groups x-authenticated-scope'.split(' '),
  ...['user', 'email', 'groups', 'preferred-username', 'access-token'].map(
    (what) => `x-auth-request-${what}`,
  ),
  ...['username', 'name', 'email', 'groups', 'entitlements', 'uid', 'jwt'].map(
    (what) => `x-authentik-${what}`,
  ),
  ...['id', 'username', 'custom-id', 'groups'].map((what) => `x-consumer-${what}`),
  ...['', '-id', '-name', '-idp'].map((what) => `x-ms-client-principal${what}`),
  ...'x-goog-authenticated-user-email x-goog-authenticated-user-id x-amzn-oidc-identity'.split(' '),
  ...'cf-access-authenticated-user-email tailscale-user-login tailscale-user-name'.split(' '),
]
/** Told at once, as most requests have them. */
const USUAL = [
  'accept',
  'accept-encoding',
  'accept-language',
  'cache-control',
  'content-encoding',
  'content-type',
  'cookie',
  'if-modified-since',
  'if-none-match',
  'origin',
  'pragma',
  'range',
  'referer',
  'user-agent',
]
/** Fields by which frameworks take a request for one of another method. */
const METHOD_OVERRIDES = ['x-http-method-override', 'x-http-method', 'x-method-override', 'x-original-method']
const LENGTHS_OF_OVERRIDES = new Set(METHOD_OVERRIDES.map((name) => name.length))

/** Lower-case field name → code; every name that is absent passes. */
const CODES = new Map<string, number>([
  ...USUAL.map((name): [string, number] => [name, PASS]),
  ...[...READ_AND_DROP, ...JUST_DROP].map((name): [string, number] => [name, DROP]),
  ['authorization', CREDENTIAL],
  ['x-api-key', CREDENTIAL],
])
const READ = new Set([
  ...READ_AND_DROP,
  'authorization',
  'x-api-key',
  'user-agent',
  'content-type',
  'max-forwards',
  'destination',
])

/** What a field's name says; looked up by the name as it was sent. */
export interface FieldName {
  readonly lower: string
  readonly code: number
  readonly isRead: boolean
  readonly mayOverride: boolean
}

/** The names that are told apart, in lower case and as `Field-Name`: told by one look-up, without making lower case of them. */
const FIELD_NAMES = new Map(
  [...CODES.keys(), ...READ].flatMap((lower): [string, FieldName][] => {
    const field = fieldNamed(lower)
    return [
      [lower, field],
      [lower.replace(/\b[a-z]/g, (letter) => letter.toUpperCase()), field],
    ]
  }),
)

export function fieldName(name: string): FieldName {
  return FIELD_NAMES.get(name) ?? fieldNamed(name.toLowerCase())
}

function fieldNamed(lower: string): FieldName {
  const mayOverride = LENGTHS_OF_OVERRIDES.has(lower.length)
  return { lower, code: headerCode(lower), isRead: READ.has(lower), mayOverride }
}

/**
 * Code of a field name in lower case. CGI-like upstreams make `_` of all that is no letter or digit, and so cannot tell `X_Real.IP` from
 * `X-Real-IP`: names are compared as they do. All of `X-Forwarded` is the gateway's to say.
 */
function headerCode(lowerName: string): number {
  const code = CODES.get(lowerName)
  if (code !== undefined) return code
  const name = cgiName(lowerName)
  return name.startsWith('x-forwarded') || name.startsWith('x-remote-extra-')
    ? DROP
    : (CODES.get(name) ?? PASS)
}

/** A field name, in lower case, with `-` for all that is no letter or digit. */
export function cgiName(lowerName: string): string {
  return /[^a-z0-9-]/.test(lowerName) ? lowerName.replaceAll(/[^a-z0-9-]/g, '-') : lowerName
}

/** Reads a raw header list: name, value, name, value, …, as Node delivers it. */
export function readHead(rawHeaders: readonly string[], bounds: HeadBounds = UNBOUNDED_HEAD): RequestHead {
  const head: RequestHead = {
    host: null,
    authorization: null,
    apiKey: null,
    contentLength: -1,
    isChunked: false,
    connectionTokens: null,
    upgrade: null,
    acceptsTrailers: false,
    requestId: null,
    traceparent: null,
    userAgent: '',
    contentType: null,
    methodOverride: null,
    via: null,
    destination: null,
    maxForwards: null,
    forwardedFor: null,
    forwarded: null,
    realIp: null,
    forwardedProto: null,
    forwardedHost: null,
    isAmbiguous: false,
    isTooLarge: rawHeaders.length > 2 * bounds.maxFields,
  }
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const { lower, isRead, mayOverride } = fieldName(rawHeaders[i] ?? '')
    if (lower === 'connection') readConnection(head, rawHeaders[i + 1] ?? '', bounds.maxConnectionTokens)
    else if (isRead) readField(head, lower, rawHeaders[i + 1] ?? '')
    else if (mayOverride) readOverride(head, lower, rawHeaders[i + 1] ?? '')
  }
  return head
}

function readField(head: RequestHead, name: string, value: string): void {
  switch (name) {
    case 'host':
      head.isAmbiguous ||= head.host !== null
      head.host = value
      break
    case 'authorization':
      head.isAmbiguous ||= head.authorization !== null
      head.authorization = value
      break
    case 'x-api-key':
      head.isAmbiguous ||= head.apiKey !== null
      head.apiKey = value
      break
    case 'content-length':
      head.isAmbiguous ||= head.contentLength !== -1 || !/^\d{1,15}$/.test(value)
      head.contentLength = Number(value)
      break
    case 'transfer-encoding':
      head.isAmbiguous ||= head.isChunked || value.toLowerCase() !== 'chunked'
      head.isChunked = true
      break
    case 'upgrade':
      head.upgrade = value
      break
    case 'te':
      head.acceptsTrailers ||= /(?:^|,)\s*trailers\s*(?:,|$)/i.test(value)
      break
    case 'x-request-id':
      head.requestId = value
      break
    case 'traceparent':
      head.traceparent = value
      break
    case 'content-type':
      // Two could be read either way: neither makes an exception.
      head.contentType = head.contentType === null ? value : ''
      break
    case 'user-agent':
      head.userAgent = value
      break
    case 'max-forwards':
      head.isAmbiguous ||= head.maxForwards !== null
      head.maxForwards = value
      break
    case 'destination':
      head.destination = head.destination === null ? value : ''
      break
    case 'via':
      head.via = joined(head.via, value)
      break
    case 'x-forwarded-for':
      head.forwardedFor = joined(head.forwardedFor, value)
      break
    case 'forwarded':
      head.forwarded = joined(head.forwarded, value)
      break
    case 'x-real-ip':
      head.realIp = joined(head.realIp, value)
      break
    case 'x-forwarded-proto':
      head.forwardedProto = joined(head.forwardedProto, value)
      break
    default:
      head.forwardedHost = joined(head.forwardedHost, value)
  }
}

/** RFC 9110 §5.3. */
function joined(before: string | null, value: string): string {
  return before === null ? value : `${before}, ${value}`
}

function readOverride(head: RequestHead, name: string, value: string): void {
  if (!METHOD_OVERRIDES.includes(cgiName(name))) return
  head.methodOverride = head.methodOverride === null ? value.trim().toUpperCase() : 'SEVERAL'
}

function readConnection(head: RequestHead, value: string, max: number): void {
  if (value === 'keep-alive' || value === 'close' || value === 'Keep-Alive' || head.isTooLarge) return
  head.connectionTokens ??= new Set()
  head.isTooLarge = !addTokens(head.connectionTokens, value, max)
}

/**
 * Adds the tokens of a Connection field, in lower case (RFC 9110 §7.6.1). False when the field has more than `max` elements, empty ones
 * included, or the set gets more: then not all are in it.
 */
export function addTokens(tokens: Set<string>, value: string, max: number): boolean {
  let from = 0
  for (let i = 0; i < max; i++) {
    const comma = value.indexOf(',', from)
    const token = value.slice(from, comma === -1 ? undefined : comma).trim()
    if (token !== '') tokens.add(token.toLowerCase())
    if (comma === -1) return tokens.size <= max
    from = comma + 1
  }
  return false
}
