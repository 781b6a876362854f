import type { DeliveryRules } from './delivery/deliver-rules.ts'
import type { IdempotencyRules } from './idempotency/idempotency-rules.ts'
import type { FilesHost } from './upstream/files-host.ts'
import type { CheckRules, EjectionRules, RetryRules, RouteBreaker } from './upstream/health-rules.ts'
import type { FollowRules } from './upstream/follow-rules.ts'
import type { TokenRules } from './upstream/token-rules.ts'
import type { SignatureRules } from './integration/signature-rules.ts'
import type { RouteRules } from './route-rules.ts'

/** Kinds of route; all but `generic` and `integration` are artifact ecosystems. */
export const ROUTE_KINDS = [
  'npm',
  'pypi',
  'maven',
  'oci',
  'cargo',
  'go',
  'helm',
  'apt',
  'git',
  'nuget',
  'rubygems',
  'generic',
  'integration',
] as const

export type RouteKind = (typeof ROUTE_KINDS)[number]

/** Kinds whose clients find addresses in documents. */
export const DOCUMENT_KINDS: ReadonlySet<RouteKind> = new Set(['npm', 'pypi', 'cargo', 'helm', 'git'])

/** How a route's clients are authenticated: by a tenant's key, not at all, by how they sign what they send. */
export const ROUTE_AUTH = ['key', 'public', 'signature'] as const

export type RouteAuth = (typeof ROUTE_AUTH)[number]

/** A rate: GCRA with `perSecond` sustained and up to `burst` at once. Both > 0; burst is an integer. */
export interface RateLimit {
  readonly perSecond: number
  readonly burst: number
}

/** A route as the configuration states it, complete: defaults filled in, `${env:…}` resolved. */
export interface Route {
  /** Slug; scope prefix (`npm:read`), metric label and column. */
  readonly name: string
  readonly kind: RouteKind
  /** Starts and ends with '/'; matched by whole segments, longest first. */
  readonly path: string
  /** Host (without port, lower case) that this route is restricted to, or `*.example.com` for all below one; null for any. */
  readonly host: string | null
  readonly upstream: RouteUpstream
  /** Hosts beside the upstream that serve its files, at `<path>~/<host>/…`. */
  readonly files: readonly FilesHost[]
  /** Null hands all redirects through. */
  readonly followRedirects: FollowRules | null
  /** Null leaves the upstream's Bearer challenges to clients. */
  readonly upstreamTokens: TokenRules | null
  readonly auth: RouteAuth
  /** How senders sign, and whose requests they are; null unless `auth` is `signature`. */
  readonly signature: RouteSignature | null
  /** What it keeps and delivers; null for a route that forwards. */
  readonly delivery: DeliveryRules | null
  /** How it treats requests with an Idempotency-Key; null or absent passes the field on and nothing else. */
  readonly idempotency?: IdempotencyRules | null | undefined
  /** Rate of each tenant on this route unless the tenant has its own for it; null for none. */
  readonly rateLimit: RateLimit | null
  /** How long a request over a rate is held; as its kind has it unless told. */
  readonly holdMs?: number | undefined
  readonly maxBodyBytes: number
  readonly connectTimeoutMs: number
  /** From the request's last byte to the response's head. */
  readonly headerTimeoutMs: number
  /** Longest silence within a body, either way; does not apply to upgraded connections. */
  readonly idleTimeoutMs: number
  readonly maxConnections: number
  readonly maxQueued: number
  readonly rules: RouteRules
  /** Of each upstream address; null or absent for none. */
  readonly breaker?: RouteBreaker | null
  /** Of several upstream addresses; null or absent for none. */
  readonly ejection?: EjectionRules | null
  /** Null or absent asks no address whether it is well. */
  readonly healthCheck?: CheckRules | null
  /** Null or absent sends nothing again that was sent. */
  readonly retries?: RetryRules | null
  /**
   * Where package URLs say that the route's packages come from: host and port of an OCI registry or git server, vendor of deb packages.
   * Default the upstream's host and port, and `debian` for apt.
   */
  readonly packageOrigin?: string | undefined
  /** Longest silence of an upgraded connection, and its longest life; 0 for no limit. */
  readonly upgradeIdleTimeoutMs?: number
  readonly upgradeMaxMs?: number
}

/** What is signed with one of the secrets is a request of the tenant. */
export interface RouteSignature extends SignatureRules {
  /** Slug. */
  readonly tenant: string
}

export interface RouteUpstream {
  /** `http:` or `https:` origin without path, for instance `https://repo.example.com:8443`. May contain `{tenant}`. */
  readonly origin: string
  /** All of them where there are several, of which `origin` is the first; they hold no `{tenant}`. */
  readonly origins?: readonly string[]
  /** Path that replaces the route's path: starts and ends with '/'. May contain `{tenant}`. */
  readonly path: string
  /** Value of the `Authorization` header sent upstream, or null for none. A secret. */
  readonly authorization: string | null
  /** The gateway has credentials of its own there: what the upstream says of them is not for clients. */
  readonly hasLogin?: boolean
  /** The Host field: `pass` for what the client asked for, a name, or null for the origin's. */
  readonly upstreamHost?: string | null
  /** Null for the system's CAs, no client certificate and Node's versions. */
  readonly tls?: UpstreamTls | null
  /** An expanded origin may be a link-local address. */
  readonly allowLinkLocal?: boolean
}

/** How an upstream is verified, and the certificate that it gets. PEM texts. */
export interface UpstreamTls {
  /** The only CAs that count; null for those of the system. */
  readonly ca: string | null
  readonly cert: string | null
  /** A secret. */
  readonly key: string | null
  /** Name that the certificate must bear and that is asked for; null for the host's. */
  readonly serverName: string | null
  readonly minVersion: 'TLSv1.2' | 'TLSv1.3' | null
}

/** How much a route's host says: 0 for any, more the longer the wildcard, most for one host. */
export function hostRank(host: string | null): number {
  if (host === null) return 0
  return host.startsWith('*.') ? host.length : 1000
}

/** Whether a route that is restricted to `pattern` takes requests for `host`, both in lower case. */
export function takesHost(pattern: string | null, host: string): boolean {
  if (pattern === null || pattern === host) return true
  return pattern.startsWith('*.') && host.length >= pattern.length && host.endsWith(pattern.slice(1))
}

/** Whether some host is taken by both. */
export function hostsOverlap(one: string | null, other: string | null): boolean {
  if (one === null || other === null) return true
  return takesHost(one, other) || takesHost(other, one)
}
