import { isIP } from 'node:net'
import { DURATION_FORM, parseDurationMs } from '../model/duration.ts'
import { isInNetworks, compileNetworks } from '../model/network.ts'
import { ROUTE_AUTH, ROUTE_KINDS, type Route } from '../model/route.ts'
import { SLUG_PATTERN } from '../model/slug.ts'
import { field, mapping, optional, withDefault, type Field } from './fields.ts'
import { parseBytes } from './options.ts'

const LINK_LOCAL = compileNetworks(['169.254.0.0/16', 'fe80::/10'])

const duration = (def: number): Field<number> =>
  withDefault(
    field(`milliseconds from 1, or ${DURATION_FORM}`, (v) => {
      const ms = typeof v === 'string' ? parseDurationMs(v) : v
      return isInteger(ms, 1, Number.MAX_SAFE_INTEGER) ? ms : null
    }),
    def,
  )

const count = (min: number, max: number): Field<number> =>
  field(`a whole number from ${min} to ${max}`, (v) => (isInteger(v, min, max) ? v : null))

const text = (form: string, test: (v: string) => boolean): Field<string> =>
  field(form, (v) => (typeof v === 'string' && test(v) ? v : null))

const choice = <T extends string>(of: readonly T[]): Field<T> =>
  field(`one of ${of.join(', ')}`, (v) => of.find((one) => one === v) ?? null)

const isSecret = (v: unknown): v is string => typeof v === 'string' && /^[\x20-\x7e]{1,8192}$/.test(v)

/** Exactly one of bearer, basic or authorization; gives the header's value. */
const upstreamAuth = field(
  '{ bearer: … }, { basic: { user: …, password: … } } or { authorization: … }',
  (value) => {
    const given = isMapping(value) ? Object.entries(value) : []
    const [name, one] = given[0] ?? []
    if (given.length !== 1) return null
    if (name === 'bearer' && isSecret(one)) return `Bearer ${one}`
    if (name === 'authorization' && isSecret(one)) return one
    return name === 'basic' && isMapping(one) ? basicAuth(one) : null
  },
)

function basicAuth(given: Readonly<Record<string, unknown>>): string | null {
  const { user, password, ...rest } = given
  if (typeof user !== 'string' || user.includes(':') || typeof password !== 'string') return null
  if (Object.keys(rest).length > 0) return null
  return `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`
}

const rateLimit = mapping({
  perSecond: field('a number above 0, up to 1000000', (v) =>
    typeof v === 'number' && v > 0 && v <= 1e6 ? v : null,
  ),
  burst: count(1, 1_000_000),
})

const ROUTE = mapping({
  name: text('1 to 63 of a-z, 0-9 and -, starting with a letter or digit', (v) => SLUG_PATTERN.test(v)),
  kind: choice(ROUTE_KINDS),
  path: text(
    'a path that starts and ends with / and holds plain segments, none of them . or ..',
    (v) => /^\/(?:[A-Za-z0-9._~@-]+\/)*$/.test(v) && !/\/\.{1,2}\//.test(v),
  ),
  host: optional(
    field('a host name without port', (v) => {
      const host = typeof v === 'string' ? v.toLowerCase() : ''
      return /^[a-z0-9.-]{1,253}$/.test(host) ? host : null
    }),
  ),
  upstream: text('an http:// or https:// URL', () => true),
  auth: withDefault(choice(ROUTE_AUTH), 'key'),
  upstreamAuth: optional(upstreamAuth),
  rateLimit: optional(rateLimit),
  maxBodyBytes: withDefault(
    field('bytes, or such as 64KiB, 8MiB, 5GiB', (v) => {
      const bytes = parseBytes(v)
      return isInteger(bytes, 0, Number.MAX_SAFE_INTEGER) ? bytes : null
    }),
    5 * 1024 ** 3,
  ),
  connectTimeoutMs: duration(5000),
  headerTimeoutMs: duration(60_000),
  idleTimeoutMs: duration(60_000),
  maxConnections: withDefault(count(1, 65_536), 256),
  maxQueued: withDefault(count(0, 1_000_000), 1024),
  allowLinkLocal: withDefault(
    field('true or false', (v) => (typeof v === 'boolean' ? v : null)),
    false,
  ),
})

/** Reads the `routes` list of the configuration. Returns all that is wrong with it, and the routes that are right. */
export function readRoutes(value: unknown): { routes: Route[]; problems: string[] } {
  const problems: string[] = []
  const routes: Route[] = []
  if (value === undefined || value === null) return { routes, problems }
  if (!Array.isArray(value)) return { routes, problems: ['routes: must be a list'] }
  for (const [index, item] of value.entries()) {
    const label = routeLabel(item, index)
    const route = ROUTE.read(item, label, problems)
    if (route === undefined) continue
    const { upstream, upstreamAuth: authorization, allowLinkLocal, ...rest } = route
    const target = readUpstream(upstream, allowLinkLocal)
    if (typeof target === 'string') {
      problems.push(`${label}.upstream: ${target}`)
      continue
    }
    if (rest.auth === 'public' && upstream.includes('{tenant}')) {
      problems.push(`${label}.upstream: {tenant} needs auth: key, a public route has no tenant`)
    }
    routes.push({
      ...rest,
      upstream: { ...target, authorization },
    })
  }
  problems.push(...duplicateProblems(routes))
  return { routes, problems }
}

function readUpstream(text: string, allowLinkLocal: boolean): { origin: string; path: string } | string {
  const probe = text.replaceAll('{tenant}', 'tenant')
  if (!URL.canParse(probe)) return 'is not an http:// or https:// URL'
  const url = new URL(probe)
  if (url.protocol !== 'http:' && url.protocol !== 'https:') return 'must be an http:// or https:// URL'
  if (url.username !== '' || url.password !== '') return 'must not hold credentials; use upstreamAuth'
  if (url.search !== '' || url.hash !== '') return 'must not hold a query or fragment'
  const bare = url.hostname.replace(/^\[|\]$/g, '')
  if (!allowLinkLocal && isIP(bare) !== 0 && LINK_LOCAL !== null && isInNetworks(LINK_LOCAL, bare)) {
    return 'is a link-local address (cloud metadata lives there); set allowLinkLocal: true if it is meant'
  }
  const match = /^(https?:\/\/[^/]+)(\/[^\s]*)?$/.exec(text)
  if (match === null) return 'is not an http:// or https:// URL'
  const path = match[2] ?? '/'
  return { origin: match[1] ?? '', path: path.endsWith('/') ? path : `${path}/` }
}

function duplicateProblems(routes: readonly Route[]): string[] {
  const problems: string[] = []
  const seen = new Set<string>()
  for (const route of routes) {
    for (const key of [`name "${route.name}"`, `host and path "${route.host ?? ''}${route.path}"`]) {
      if (seen.has(key)) problems.push(`routes: ${key} is used twice`)
      seen.add(key)
    }
  }
  return problems
}

function routeLabel(item: unknown, index: number): string {
  const name: unknown = typeof item === 'object' && item !== null && 'name' in item ? item.name : undefined
  return typeof name === 'string' ? `routes[${index}] (${name.slice(0, 63)})` : `routes[${index}]`
}

function isInteger(value: unknown, min: number, max: number): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= min && value <= max
}

function isMapping(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
