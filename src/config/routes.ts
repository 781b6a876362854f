import type { z } from 'zod'
import type { RateLimit, Route } from '../model/route.ts'
import { deliverProblems, deliveryRules } from './integration/route-deliver.ts'
import { idempotencyProblems } from './integration/route-idempotency.ts'
import { signatureOf, signatureProblems, usualBodyBytes } from './integration/route-signature.ts'
import { issueText } from './route-issues.ts'
import { routeSchema } from './route-keys.ts'
import { ociProblems } from './route-oci.ts'
import { ruleProblems, takeRules, withField } from './route-rules.ts'
import { readUpstreams } from './upstream/upstream-addresses.ts'
import type { UpstreamLogin } from './upstream/upstream-auth.ts'
import { healthProblems, healthRules } from './upstream/upstream-health.ts'
import { tokenRules } from './upstream/upstream-tokens.ts'
import { readUpstreamTls } from './upstream-tls.ts'

const NO_LOGIN: UpstreamLogin = { authorization: null, field: null }

/** Reads the `routes` list of the configuration. Returns all that is wrong with it, and the routes that are right. */
export function readRoutes(value: unknown): { routes: Route[]; problems: string[] } {
  const problems: string[] = []
  const routes: Route[] = []
  if (value === undefined || value === null) return { routes, problems }
  if (!Array.isArray(value)) return { routes, problems: ['routes: must be a list'] }
  for (const [index, item] of value.entries()) {
    const route = readRoute(item, routeLabel(item, index), problems)
    if (route !== null) routes.push(route)
  }
  problems.push(...duplicateProblems(routes), ...ruleProblems(routes), ...ociProblems(routes))
  return { routes, problems }
}

/** One route; null for one that is wrong beyond use. What is wrong is added to the problems. */
function readRoute(item: unknown, label: string, problems: string[]): Route | null {
  const parsed = parseRoute(item, label, problems)
  if (parsed === null) return null
  const { rules: ownRules, ...keys } = takeRules(parsed)
  const {
    upstream,
    upstreamAuth: login = NO_LOGIN,
    allowLinkLocal,
    host,
    rateLimit,
    followRedirects,
    upstreamTokens: tokensKey,
    ...more
  } = keys
  const { upstreamHost = null, tls: tlsFiles, tenant, signature, mode, accept, deliver, ...rest } = more
  if ((rest.auth === 'signature' || mode === 'accept') && !hasKey(item, 'maxBodyBytes'))
    rest.maxBodyBytes = usualBodyBytes(signature)
  const senders = signatureProblems(rest, signature, tenant).concat(
    deliverProblems(rest, mode, { accept, deliver }),
    idempotencyProblems(rest, mode, rest.idempotency),
  )
  problems.push(...senders.map((problem) => `${label}.${problem}`))
  if (senders.length > 0) return null
  const target = readUpstreams(upstream, allowLinkLocal)
  if (typeof target === 'string') {
    problems.push(`${label}.upstream: ${target}`)
    return null
  }
  const health = healthRules(rest)
  const mismatches = healthProblems(health, target.origin)
  if (rest.auth === 'public') mismatches.push(...publicProblems(target.origin + target.path, rateLimit))
  problems.push(...mismatches.map((problem) => `${label}.${problem}`))
  if (tlsFiles !== undefined && target.origin.startsWith('http:'))
    problems.push(`${label}.tls: needs an https:// upstream`)
  const rules = login.field === null ? ownRules : withField(ownRules, login.field)
  if (rules === null) {
    problems.push(`${label}.upstreamAuth.header: headers of the route has a field of that name too`)
    return null
  }
  const tokens = tokenRules(tokensKey, rest, login)
  if (typeof tokens === 'string') {
    problems.push(`${label}.upstreamTokens: ${tokens}`)
    return null
  }
  const tls = tlsFiles === undefined ? null : readUpstreamTls(tlsFiles)
  if (tls !== null && 'problems' in tls) {
    problems.push(...tls.problems.map((problem) => `${label}.tls${problem}`))
    return null
  }
  return {
    ...rest,
    ...health,
    host: host ?? null,
    signature: signature === undefined || tenant === undefined ? null : signatureOf(signature, tenant),
    delivery: mode === 'accept' ? deliveryRules({ accept, deliver }) : null,
    rateLimit: rateLimit ?? null,
    followRedirects: followRedirects ?? null,
    upstreamTokens: tokens,
    upstream: {
      ...target,
      authorization: login.authorization,
      hasLogin: login !== NO_LOGIN,
      upstreamHost,
      tls,
      allowLinkLocal,
    },
    rules,
  }
}

/** A route's keys by the schema; null, and the problems told, for what is not as it says. */
function parseRoute(item: unknown, label: string, problems: string[]): z.infer<typeof routeSchema> | null {
  const parsed = routeSchema.safeParse(item)
  if (parsed.success) return parsed.data
  for (const issue of parsed.error.issues)
    problems.push(`${label}${pathText(issue.path)}: ${issueText(issue, routeSchema, item)}`)
  return null
}

/** A public route has no tenant. */
function publicProblems(upstream: string, rateLimit: RateLimit | undefined): string[] {
  const problems: string[] = []
  if (upstream.includes('{tenant}'))
    problems.push('upstream: {tenant} needs auth: key, a public route has no tenant')
  if (rateLimit !== undefined)
    problems.push('rateLimit: needs auth: key, it is of each tenant and a public route has none')
  return problems
}

/** A route of keys as `waybill.yaml` has them, complete. Throws an Error that says what is wrong with them. */
export function routeOf(keys: Readonly<Record<string, unknown>>): Route {
  const { routes, problems } = readRoutes([keys])
  const [route] = routes
  if (route === undefined || problems.length > 0) throw new Error(problems.join('\n'))
  return route
}

function hasKey(item: unknown, name: string): boolean {
  return typeof item === 'object' && item !== null && Object.hasOwn(item, name)
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
