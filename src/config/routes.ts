import { isIP } from 'node:net'
import { z } from 'zod'
import { DURATION_FORM, parseDurationMs } from '../model/duration.ts'
import { isLinkLocal } from '../model/network.ts'
import { ROUTE_AUTH, ROUTE_KINDS, type Route } from '../model/route.ts'
import { SLUG_PATTERN } from '../model/slug.ts'
import { parseBytes } from './option-rows.ts'
import { routeHost } from './route-host.ts'
import { issueText } from './route-issues.ts'
import { RULE_KEYS, ruleProblems, takeRules } from './route-rules.ts'
import { readUpstreamTls, upstreamTls } from './upstream-tls.ts'

const duration = (min: number, def: number) =>
  z
    .union([z.number(), z.string()])
    .transform((v) => (typeof v === 'number' ? v : (parseDurationMs(v) ?? Number.NaN)))
    .refine(
      (v) => Number.isSafeInteger(v) && v >= min,
      `must be milliseconds from ${min}, or ${DURATION_FORM}`,
    )
    .default(def)

const size = (def: number) =>
  z
    .union([z.number(), z.string()])
    .transform((v) => parseBytes(v) ?? Number.NaN)
    .refine((v) => Number.isSafeInteger(v) && v >= 0, 'must be bytes, or such as 64KiB, 8MiB, 5GiB')
    .default(def)

const secret = z
  .string()
  .min(1)
  .max(8192)
  .regex(/^[\x20-\x7e]+$/, 'must be printable ASCII')

/** Exactly one of bearer, basic or authorization. */
const upstreamAuth = z.union(
  [
    z.strictObject({ bearer: secret }).transform((a) => `Bearer ${a.bearer}`),
    z
      .strictObject({ basic: z.strictObject({ user: z.string().regex(/^[^:]*$/), password: z.string() }) })
      .transform((a) => `Basic ${Buffer.from(`${a.basic.user}:${a.basic.password}`).toString('base64')}`),
    z.strictObject({ authorization: secret }).transform((a) => a.authorization),
  ],
  'must be { bearer: … }, { basic: { user: …, password: … } } or { authorization: … }',
)

const routeSchema = z.strictObject({
  name: z.string().regex(SLUG_PATTERN, 'must be 1 to 63 of a-z, 0-9 and -, starting with a letter or digit'),
  kind: z.enum(ROUTE_KINDS),
  path: z
    .string()
    .regex(/^\/(?:[A-Za-z0-9._~@-]+\/)*$/, 'must start and end with / and hold plain segments')
    .refine((p) => !/\/\.{1,2}\//.test(p), 'must not hold . or .. segments'),
  host: routeHost.optional(),
  upstream: z.string(),
  auth: z.enum(ROUTE_AUTH).default('key'),
  upstreamAuth: upstreamAuth.optional(),
  rateLimit: z
    .strictObject({ perSecond: z.number().positive().max(1e6), burst: z.int().min(1).max(1e6) })
    .optional(),
  maxBodyBytes: size(5 * 1024 ** 3),
  connectTimeoutMs: duration(1, 5000),
  headerTimeoutMs: duration(1, 60_000),
  idleTimeoutMs: duration(1, 60_000),
  maxConnections: z.int().min(1).max(65_536).default(256),
  maxQueued: z.int().min(0).max(1_000_000).default(1024),
  upgradeIdleTimeoutMs: duration(0, 3_600_000),
  upgradeMaxMs: duration(0, 0),
  allowLinkLocal: z.boolean().default(false),
  ...RULE_KEYS,
  upstreamHost: z
    .string()
    .toLowerCase()
    .regex(/^[a-z0-9._-]{1,253}(?::\d{1,5})?$/, 'must be pass, or a host name with or without port')
    .optional(),
  tls: upstreamTls.optional(),
})

/** Reads the `routes` list of the configuration. Returns all that is wrong with it, and the routes that are right. */
export function readRoutes(value: unknown): { routes: Route[]; problems: string[] } {
  const problems: string[] = []
  const routes: Route[] = []
  if (value === undefined || value === null) return { routes, problems }
  if (!Array.isArray(value)) return { routes, problems: ['routes: must be a list'] }
  for (const [index, item] of value.entries()) {
    const label = routeLabel(item, index)
    const parsed = routeSchema.safeParse(item)
    if (!parsed.success) {
      for (const issue of parsed.error.issues)
        problems.push(`${label}${pathText(issue.path)}: ${issueText(issue, routeSchema, item)}`)
      continue
    }
    const { rules, ...keys } = takeRules(parsed.data)
    const { upstream, upstreamAuth: authorization, allowLinkLocal, host, rateLimit, ...more } = keys
    const { upstreamHost = null, tls: tlsFiles, ...rest } = more
    const target = readUpstream(upstream, allowLinkLocal)
    if (typeof target === 'string') {
      problems.push(`${label}.upstream: ${target}`)
      continue
    }
    if (rest.auth === 'public' && upstream.includes('{tenant}')) {
      problems.push(`${label}.upstream: {tenant} needs auth: key, a public route has no tenant`)
    }
    if (rest.auth === 'public' && rateLimit !== undefined) {
      problems.push(`${label}.rateLimit: needs auth: key, it is of each tenant and a public route has none`)
    }
    if (tlsFiles !== undefined && target.origin.startsWith('http:')) {
      problems.push(`${label}.tls: needs an https:// upstream`)
    }
    const tls = tlsFiles === undefined ? null : readUpstreamTls(tlsFiles)
    if (tls !== null && 'problems' in tls) {
      problems.push(...tls.problems.map((problem) => `${label}.tls${problem}`))
      continue
    }
    routes.push({
      ...rest,
      host: host ?? null,
      rateLimit: rateLimit ?? null,
      upstream: { ...target, authorization: authorization ?? null, upstreamHost, tls, allowLinkLocal },
      rules,
    })
  }
  problems.push(...duplicateProblems(routes), ...ruleProblems(routes))
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
  if (!allowLinkLocal && isIP(bare) !== 0 && isLinkLocal(bare)) {
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

function pathText(path: readonly PropertyKey[]): string {
  return path.map((p) => `.${String(p)}`).join('')
}
