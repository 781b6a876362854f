import { z } from 'zod'
import { cors } from './route-cors.ts'
import { key } from './route-key.ts'
import { hostsOverlap, type Route } from '../model/route.ts'
import {
  DEFAULT_RULES,
  PATH_MODES,
  type HeaderChanges,
  type ReadRule,
  type RouteRules,
} from '../model/route-rules.ts'

/** `PROPFIND`, `POST /_search`, `WebSocket`. Methods that change things by their definition need a path. */
const READ_RULE =
  /^(?:(WebSocket|(?!(?:POST|PUT|PATCH|DELETE|CONNECT|TRACE)$)[A-Z][A-Z-]*)|(WebSocket|[A-Z][A-Z-]*) (\/[!$&-.0-9:=@A-Z_a-z~/]*))$/

const readRule = z
  .string()
  .regex(
    READ_RULE,
    'must be WebSocket or a method, with a path below the route if it is to be for that alone: PROPFIND, "POST /_search", "POST /*/_search", "POST /query/**"; POST, PUT, PATCH and DELETE need a path',
  )
  .transform((text): ReadRule => {
    const [, alone, method, path] = READ_RULE.exec(text) ?? []
    return { method: alone ?? method ?? '', path: path ?? null }
  })

const FIELD = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}$/
/** Names that no route may change, and why. */
const FIXED = new Map<string, string>([
  ...[
    'connection',
    'content-length',
    'expect',
    'http2-settings',
    'keep-alive',
    'proxy-authenticate',
    'proxy-authorization',
  ].map((name): [string, string] => [name, "belongs to the connection, and is never the route's"]),
  ...['proxy-connection', 'te', 'trailer', 'transfer-encoding', 'upgrade'].map((name): [string, string] => [
    name,
    "belongs to the connection, and is never the route's",
  ]),
  ['host', 'is made of the upstream'],
  ...['forwarded', 'traceparent', 'via', 'x-request-id', 'proxy'].map((name): [string, string] => [
    name,
    'is set, or taken away, by the gateway itself',
  ]),
])

function fieldProblem(name: string): string | null {
  const lower = name.toLowerCase().replaceAll(/[^a-z0-9-]/g, '-')
  const why = lower.startsWith('x-forwarded')
    ? 'is set, or taken away, by the gateway itself'
    : FIXED.get(lower)
  if (why !== undefined) return `${name.slice(0, 64)} ${why}`
  return FIELD.test(name) ? null : `"${name.slice(0, 64)}" is no field name`
}

const fieldName = z.string().superRefine((name, context) => {
  const problem = fieldProblem(name)
  if (problem !== null) context.addIssue({ code: 'custom', message: problem })
})

/** Why a route may not set a field of that name; null when it may. */
export function settableProblem(name: string): string | null {
  return name.toLowerCase() === 'authorization' ? 'Authorization is set by upstreamAuth' : fieldProblem(name)
}

const fieldValue = z
  .string()
  .max(8192)
  .regex(
    /^(?:[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?)?$/,
    'must be printable ASCII without a blank at either end',
  )

/** A record's keys: with a schema of their own, zod would say no more than that one is invalid. */
function checkNames(set: Readonly<Record<string, string>>, context: z.RefinementCtx): void {
  const known = new Set<string>()
  for (const name of Object.keys(set)) {
    const asRead = name.toLowerCase().replaceAll(/[^a-z0-9-]/g, '-')
    const problem =
      settableProblem(name) ?? (known.has(asRead) ? `${name} is set twice, as servers read names` : null)
    if (problem !== null) context.addIssue({ code: 'custom', message: problem })
    known.add(asRead)
  }
}

const headers = z
  .strictObject({
    set: z.record(z.string(), fieldValue).superRefine(checkNames).default({}),
    remove: z.array(fieldName).max(64).default([]),
  })
  .transform((given): HeaderChanges => {
    const names = [...Object.keys(given.set), ...given.remove]
    return {
      set: Object.entries(given.set).flat(),
      removed: names.map((name) => name.toLowerCase().replaceAll(/[^a-z0-9-]/g, '-')),
    }
  })

const secretPath = z
  .string()
  .regex(
    /^\/[!$&-.0-9:=@A-Z_a-z~/{}]*$/,
    'must be a path below the route such as /services/*/*/{secret} or /bot{secret}/',
  )
  .refine((text) => /^[^{}]*(?:\{secret\}[^{}]*)+$/.test(text), 'must hold {secret} where the secret stands')

/** The keys of a route that tell how its clients and its upstream see each other through the gateway. */
export const RULE_KEYS = {
  paths: key(
    z.enum(PATH_MODES).default('strict'),
    `one of ${PATH_MODES.join(', ')}`,
    'Whether paths that two servers could read differently are refused, or pass as data',
  ),
  reads: key(
    z.array(readRule).max(64).default([]),
    'a list such as [PROPFIND, "POST /_search", WebSocket]',
    'What only reads, besides GET, HEAD and OPTIONS',
  ),
  headers: key(
    headers.default(DEFAULT_RULES.headers),
    '{ set: { Name: value }, remove: [Name] }',
    'Fields that the gateway sets, or takes out, towards the upstream; values are secrets',
    'none',
  ),
  redactPath: key(
    z.array(secretPath).max(64).default([]),
    'a list such as ["/services/*/*/{secret}"]',
    'Where secrets stand in paths below the route: entries do not have them',
  ),
  redactQuery: key(
    z.array(z.string().min(1).max(128).toLowerCase()).max(64).default([]),
    'a list of names',
    'Query parameters that are secrets, beside the usual ones: entries do not have them',
  ),
  cors: key(
    cors.optional(),
    'an object with the keys below',
    'Pages that may use the route from a browser',
    'what the upstream says of CORS passes',
  ),
  rewriteRedirects: key(
    z.boolean().default(true),
    'true or false',
    "The upstream's redirects to itself come back through the route",
  ),
  rewriteDocuments: key(
    z.boolean().default(true),
    'true or false',
    "The upstream's addresses in npm's, PyPI's, cargo's, Helm's and Git LFS' documents become the gateway's",
  ),
}

const keys = z.object(RULE_KEYS)

/** Values of those keys as they were read. */
type RuleValues = z.infer<typeof keys>

/** Takes those keys out of a route's, and makes its rules of them. */
export function takeRules<Values extends RuleValues>(
  values: Values,
): Omit<Values, keyof RuleValues> & { rules: RouteRules } {
  const {
    paths,
    reads,
    headers,
    redactPath,
    redactQuery,
    cors: pages = null,
    rewriteRedirects,
    rewriteDocuments,
    ...rest
  } = values
  return {
    ...rest,
    rules: {
      paths,
      reads,
      headers,
      redactPath,
      redactQuery,
      cors: pages,
      rewriteRedirects,
      rewriteDocuments,
    },
  }
}

/** What is wrong with the rules in the light of the other routes. */
export function ruleProblems(routes: readonly Route[]): string[] {
  const problems: string[] = []
  for (const route of routes) {
    if (route.rules.paths !== 'verbatim') continue
    const narrower = routes.find((other) => isBelow(other, route))
    if (narrower === undefined) continue
    problems.push(
      `routes (${route.name}).paths: verbatim cannot be: route ${narrower.name} at ${narrower.path} lies below it, ` +
        'and a path that two readers take differently could lead to either; use strict',
    )
  }
  return problems
}

/** Whether a request of the one route could be one of the other by another reading of its path. */
function isBelow(narrower: Route, wider: Route): boolean {
  if (narrower === wider || narrower.path === wider.path || !narrower.path.startsWith(wider.path))
    return false
  return hostsOverlap(wider.host, narrower.host)
}

/** The rules with a field more that the gateway sets; null when they set or take out one of that name already. */
export function withField(
  rules: RouteRules,
  { name, value }: { name: string; value: string },
): RouteRules | null {
  const { set, removed } = rules.headers
  const asRead = name.toLowerCase().replaceAll(/[^a-z0-9-]/g, '-')
  if (removed.includes(asRead)) return null
  return { ...rules, headers: { set: [...set, name, value], removed: [...removed, asRead] } }
}
