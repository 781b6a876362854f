import { z } from 'zod'
import { DURATION_FORM } from '../model/duration.ts'
import { ROUTE_AUTH, ROUTE_KINDS } from '../model/route.ts'
import { SLUG_PATTERN } from '../model/slug.ts'
import { routeHost } from './route-host.ts'
import { idempotency } from './integration/route-idempotency.ts'
import { accept, deliver, ROUTE_MODES } from './integration/route-deliver.ts'
import { signature } from './integration/route-signature.ts'
import { bare } from './route-issues.ts'
import { duration, durationUpTo, key, keyText, size } from './route-key.ts'
import { RULE_KEYS } from './route-rules.ts'
import { filesHosts } from './upstream/files-hosts.ts'
import { followRedirects } from './upstream/followed-hosts.ts'
import { upstream, UPSTREAM_FORM } from './upstream/upstream-addresses.ts'
import { HEALTH_KEYS } from './upstream/upstream-health.ts'
import { UPSTREAM_TOKENS_FORM, upstreamTokens } from './upstream/upstream-tokens.ts'
import { UPSTREAM_AUTH_FORM, upstreamAuth } from './upstream/upstream-auth.ts'
import { upstreamTls } from './upstream-tls.ts'

const SLUG = '1 to 63 of a-z, 0-9 and -, starting with a letter or digit'
/** Clients that wait for a first byte this long are few (docs/clients.md). */
const MAX_HOLD_MS = 120_000
const MILLISECONDS = `milliseconds, or ${DURATION_FORM}`

/**
 * Every key of a route in `waybill.yaml`, as `OPTIONS` is of the options: how it is read, what is allowed, what it does. The documents'
 * table is generated from here.
 */
export const routeSchema = z.strictObject({
  name: key(
    z.string().regex(SLUG_PATTERN, `must be ${SLUG}`),
    SLUG,
    'Names the route in scopes (`npm:read`), metrics and entries',
    'required',
  ),
  kind: key(
    z.enum(ROUTE_KINDS),
    `one of ${ROUTE_KINDS.join(', ')}`,
    'What the upstream is: decides which requests only read, and how a client is asked for its key',
    'required',
  ),
  path: key(
    z
      .string()
      .regex(/^\/(?:[A-Za-z0-9._~@-]+\/)*$/, 'must start and end with / and hold plain segments')
      .refine((p) => !/\/\.{1,2}\//.test(p), 'must not hold . or .. segments'),
    'starts and ends with /, plain segments between',
    'Requests whose path begins so belong to the route; the longest path of whole segments wins',
    'required',
  ),
  host: key(
    routeHost.optional(),
    'a host name without port, *.example.com for all below it, or an IPv6 address',
    'Only requests for this host belong to the route',
    'any host',
  ),
  upstream: key(
    upstream,
    UPSTREAM_FORM,
    "Where the route leads: the URL's path takes the place of the route's; of several, to the one with the least to do",
    'required',
  ),
  auth: key(
    z.enum(ROUTE_AUTH).default('key'),
    `one of ${ROUTE_AUTH.join(', ')}`,
    "What clients need: a tenant's key, nothing, or a signature over what they send",
  ),
  tenant: key(
    z.string().regex(SLUG_PATTERN, `must be ${SLUG}`).optional(),
    SLUG,
    'Whose the requests are, with `auth: signature`',
    'none',
  ),
  signature: key(
    signature.optional(),
    'an object with the keys below',
    'How senders sign, with `auth: signature` and `kind: integration`; bodies are held until verified',
    'none',
  ),
  mode: key(
    z.enum(ROUTE_MODES).default('forward'),
    `one of ${ROUTE_MODES.join(', ')}`,
    'With `kind: integration`: pass requests on, or answer 202, keep them and deliver them',
  ),
  accept: key(
    accept.optional(),
    'an object with the keys below',
    'What is taken, with `mode: accept`',
    'all that is verified',
  ),
  deliver: key(
    deliver.optional(),
    'an object with the keys below',
    'How it is delivered, with `mode: accept`',
    'the defaults of its keys',
  ),
  idempotency: key(
    idempotency.optional(),
    'an object with the keys below',
    'Heeds the Idempotency-Key: the upstream sees each once, repetitions get the first answer',
    'the field is passed on',
  ),
  upstreamAuth: key(
    upstreamAuth.optional(),
    UPSTREAM_AUTH_FORM,
    "The gateway's own credentials at the upstream; a secret",
    'none',
  ),
  upstreamHost: key(
    z
      .string()
      .toLowerCase()
      .regex(/^[a-z0-9._-]{1,253}(?::\d{1,5})?$/, 'must be pass, or a host name with or without port')
      .optional(),
    'pass, or a host name with or without port',
    "The Host field towards the upstream; `pass` hands on the client's",
    "the upstream's own",
  ),
  tls: key(
    upstreamTls.optional(),
    '{ ca, cert, key, serverName, minVersion }, each optional',
    'How the upstream is known, and the gateway to it',
    "the system's authorities, no client certificate",
  ),
  files: key(
    filesHosts.default([]),
    'a list of URLs such as https://files.example.com/packages/, or { url, auth: true }',
    "Hosts beside the upstream that serve its files: fetched below the route's `~/<host>/`",
  ),
  followRedirects: key(
    followRedirects.optional(),
    'an object with the keys below',
    "Has the gateway follow the upstream's redirects of GET and HEAD",
    'redirects are handed through',
  ),
  packageOrigin: key(
    z
      .string()
      .toLowerCase()
      .regex(
        /^[a-z0-9][a-z0-9.-]{0,252}(?::\d{1,5})?$/,
        'must be a host name with or without port, or a vendor',
      )
      .optional(),
    'a host name with or without port, or a vendor such as debian',
    'Where package URLs say that packages come from: the registry (oci), the server (git), the vendor (apt)',
    "the upstream's host, with its path (oci, git); debian with `kind: apt`",
  ),
  upstreamTokens: key(
    upstreamTokens.optional(),
    UPSTREAM_TOKENS_FORM,
    'Has the gateway fetch the tokens that the upstream asks for; the hosts get the credentials of `upstreamAuth`',
    '`{ hosts: [] }` for kind oci with `auth: key` or an `upstreamAuth`, unless that is no Basic or header; else none',
  ),
  rateLimit: key(
    z.strictObject({ perSecond: z.number().positive().max(1e6), burst: z.int().min(1).max(1e6) }).optional(),
    '{ perSecond: up to 1000000, burst: 1 to 1000000 }',
    'Rate of each tenant on this route; not with `auth: public`',
    'none',
  ),
  holdMs: key(
    durationUpTo(0, MAX_HOLD_MS, `must be ${MILLISECONDS}; up to 2m`).optional(),
    `${MILLISECONDS}; up to 2m`,
    'Longest that a request that reads and is over a rate, or too many at once, is held before it is answered 429',
    '10s for pypi, nuget, rubygems; 20s for npm, maven, cargo, apt; 60s for go, git, oci, helm; 0 for others',
  ),
  maxBodyBytes: key(
    size(5 * 1024 ** 3),
    'bytes, or such as 64KiB, 8MiB, 5GiB',
    'Largest request body; larger is answered 413. Default 10 MiB with `auth: signature`',
  ),
  connectTimeoutMs: key(
    duration(1, 5000),
    `${MILLISECONDS}; at least 1`,
    'Longest wait for a connection to the upstream',
  ),
  headerTimeoutMs: key(
    duration(1, 60_000),
    `${MILLISECONDS}; at least 1`,
    "Longest wait from the request's last byte to the response's head",
  ),
  idleTimeoutMs: key(
    duration(1, 60_000),
    `${MILLISECONDS}; at least 1`,
    'Longest silence within a body, either way',
  ),
  maxConnections: key(
    z.int().min(1).max(65_536).default(256),
    'a whole number from 1 to 65536',
    'Connections to the upstream at once, WebSockets included; over all workers',
  ),
  maxQueued: key(
    z.int().min(0).max(1_000_000).default(1024),
    'a whole number from 0 to 1000000',
    'Requests that wait for one of them; more are answered 503',
  ),
  upgradeIdleTimeoutMs: key(
    duration(0, 3_600_000),
    `${MILLISECONDS}; 0 for no limit`,
    'Longest silence of a WebSocket',
  ),
  upgradeMaxMs: key(duration(0, 0), `${MILLISECONDS}; 0 for no limit`, 'Longest life of a WebSocket'),
  allowLinkLocal: key(
    z.boolean().default(false),
    'true or false',
    'The upstream may be a link-local address, where clouds keep their metadata',
  ),
  ...HEALTH_KEYS,
  ...RULE_KEYS,
})

/** A route's key as the documents show it. */
export interface RouteKey {
  /** With a dot before the key of an object: `cors.origins`. */
  readonly name: string
  /** As YAML has it; null where nothing stands for what holds without the key, see `absent`. */
  readonly default: string | null
  /** What holds without the key, in words; null where there is a default. */
  readonly absent: string | null
  readonly form: string
  readonly help: string
}

/** All keys of a route in the order of the table; those of objects behind their object's. */
export function routeKeys(schema: z.ZodType = routeSchema, prefix = ''): RouteKey[] {
  const object = bare(schema)
  if (!(object instanceof z.ZodObject)) return []
  return Object.entries(object.shape as Record<string, z.ZodType>).flatMap(([name, value]) => {
    const text = keyText(value)
    const own = `${prefix}${name}`
    if (text === null) return []
    const { form, help, absent = null } = text
    const shown = { name: own, default: absent === null ? defaultOf(value) : null, absent, form, help }
    return [shown].concat(routeKeys(value, `${own}.`))
  })
}

function defaultOf(schema: z.ZodType): string {
  if (!(schema instanceof z.ZodDefault)) throw new Error('a key without a default says what holds without it')
  const value: unknown = schema.def.defaultValue
  return typeof value === 'string' ? value : JSON.stringify(value)
}
