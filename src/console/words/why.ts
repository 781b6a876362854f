/** What a sentence about a request needs of its row. */
export interface Told {
  readonly status: number
  readonly outcome: string
  readonly reason: string | null
  readonly tenant: string | null
  readonly key_id: string | null
  readonly route: string | null
  readonly method: string | null
  readonly upstream: string | null
  readonly client_ip: string | null
  readonly upstreamLimit?: string | null
  readonly ruleId?: string | null
}

type Sentence = (row: Told) => string

const key = ({ key_id: id }: Told): string => (id === null ? 'the key' : `the key ${id}`)
const tenant = ({ tenant: name }: Told): string => (name === null ? 'the tenant' : `the tenant ${name}`)
const route = ({ route: name }: Told): string => (name === null ? 'the route' : `the route ${name}`)
const upstream = ({ upstream: name }: Told): string =>
  name === null ? 'The upstream' : `The upstream ${name}`

/** By reason: more exact than the outcome. */
const BY_REASON: Readonly<Record<string, Sentence>> = {
  missing_key: () => 'No key was sent.',
  malformed_key: () => 'What was sent as a key is none: it is cut off or mistyped.',
  unknown_key: () => 'There is no such key.',
  expired_key: (row) => `${capital(key(row))} had expired.`,
  revoked_key: (row) => `${capital(key(row))} had been revoked.`,
  network: (row) => `${capital(key(row))} may not be used from ${row.client_ip ?? 'that address'}.`,
  several_credentials: () => 'Several credentials were sent that contradict each other.',
  token_unknown_key: () => 'The token was made with a key that there is no more.',
  token_signature: () => 'The signature of the token is wrong.',
  token_audience: () => 'The token was made for something else.',
  token_expired: () => 'The token had expired; the client asks for a new one by itself.',
  token_scope: () => 'The token does not cover this.',
  missing_signature: () => 'The route needs a signature, and none was sent.',
  malformed_signature: () => 'The signature could not be read, or stood twice.',
  wrong_signature: () => 'The signature was not of this body, or made with another secret.',
  stale_signature: () => 'The signed time was too far from now: an old request, or a clock that is wrong.',
  no_signing_key: () => 'There was no key to sign tokens by.',
  suspended: (row) => `${capital(tenant(row))} was suspended.`,
  deleted: (row) => `${capital(tenant(row))} no longer existed.`,
  scope: (row) => `${capital(key(row))} has no scope for ${row.method ?? 'this'} on ${route(row)}.`,
  tenant_rate: (row) => `The rate limit of ${tenant(row)} was used up.`,
  key_rate: (row) => `The rate limit of ${key(row)} was used up.`,
  route_rate: (row) => `The rate limit of ${tenant(row)} for ${route(row)} was used up.`,
  tenant_concurrency: (row) => `${capital(tenant(row))} had as many requests in flight as it may have.`,
  auth_throttled: (row) => `Too many wrong credentials came from ${row.client_ip ?? 'that address'}.`,
  no_snapshot: () => 'The gateway had not yet loaded tenants and keys.',
  stale_snapshot: () => 'The key is not known, and what the gateway knew was old.',
  log_blocked: () => 'The access log had no room, and this tenant does not want requests without a record.',
  log_full: () => 'The access log had no room, in memory or on disk.',
  path: () => 'The path can be read in two ways, and is refused for that.',
  connect_timeout: (row) => `${upstream(row)} took too long to accept a connection.`,
  response_timeout: (row) => `${upstream(row)} took too long to begin its answer.`,
  idle_timeout: (row) => `${upstream(row)} stopped sending in the middle of its answer.`,
  duplicate: () => 'The same delivery had come before; this one was not kept again.',
  deliveries_full: () => 'As many deliveries of the tenant as may were waiting.',
  not_kept: () => 'The delivery could be neither stored nor put on disk.',
  bodies_full: () => 'Too many bytes of signed bodies were held at once.',
  idempotency_missing: (row) => `${capital(route(row))} needs an Idempotency-Key, and none was sent.`,
  idempotency_malformed: () => 'The Idempotency-Key could not be read, or stood twice.',
  idempotency_body: (row) => `The body was larger than ${route(row)} takes with an Idempotency-Key.`,
  idempotency_reused: () => 'The Idempotency-Key had been used for another request.',
  idempotency_in_use: () => 'The first request with this Idempotency-Key was still under way.',
  idempotency_unkept: () =>
    'The request had been answered before, with more than is kept, and was not done again.',
  idempotency_full: () => 'As many Idempotency-Keys of the tenant as may were kept.',
  idempotency_unknown: () =>
    'The database did not say in time whether the Idempotency-Key had been used before.',
  replayed: () => 'The answer to the first request with this Idempotency-Key was given again.',
  unidentified: () => 'The path was too long to tell its package by, and rules apply to this route.',
  no_rules: () => 'The rules for packages had not been loaded yet.',
  queue_full: (row) => `Too many requests were waiting for ${row.upstream ?? 'the upstream'}.`,
  queue_timeout: (row) => `It waited too long for a connection to ${row.upstream ?? 'the upstream'}.`,
  gave_way: () => 'It gave way to the requests of other tenants, which had fewer waiting.',
  breaker_open: (row) => `${upstream(row)} had failed too often, and was left alone for a while.`,
  connection_refused: (row) => `${upstream(row)} refused the connection.`,
  connection_reset: (row) => `${upstream(row)} broke the connection.`,
  dns: (row) => `The name of ${row.upstream ?? 'the upstream'} could not be resolved.`,
  tls: (row) => `No TLS connection to ${row.upstream ?? 'the upstream'} came about.`,
  tls_unknown_ca: (row) =>
    `The certificate of ${row.upstream ?? 'the upstream'} is of an authority that is not trusted.`,
  tls_expired: (row) => `The certificate of ${row.upstream ?? 'the upstream'} had expired.`,
  tls_name: (row) => `The certificate of ${row.upstream ?? 'the upstream'} is for another name.`,
  protocol: (row) => `${upstream(row)} answered what is no HTTP.`,
  truncated: (row) => `${upstream(row)} ended its answer before it was whole.`,
  upstream_auth: (row) => `${upstream(row)} does not take the credentials of ${route(row)}.`,
  redirects: (row) => `${upstream(row)} redirected too often.`,
  document_too_large: () => "The upstream's document is larger than what may be rewritten.",
  document_malformed: () => "The upstream's document is not what its kind says.",
  document_foreign: () => "The upstream's document names files of a host that the route does not follow.",
}

const BY_OUTCOME: Readonly<Record<string, Sentence>> = {
  forwarded: (row) => forwarded(row),
  answered: () => 'The gateway answered this itself.',
  accepted: () => 'It was kept, to be delivered; the sender was answered before that.',
  delivered: (row) => `Delivered to ${row.upstream ?? 'the receiver'}, which answered ${row.status}.`,
  delivery_failed: (row) => `The attempt failed: ${row.upstream ?? 'the receiver'} answered ${row.status}.`,
  unauthenticated: () => 'No valid credentials were sent.',
  blocked: (row) => `The rule ${row.ruleId ?? ''} denies this package.`,
  forbidden: (row) => `${capital(key(row))} does not permit this.`,
  tenant_suspended: (row) => `${capital(tenant(row))} was suspended.`,
  rate_limited: () => 'A rate limit was used up.',
  no_route: () => 'No route has this path and host.',
  bad_request: () => 'The request was malformed.',
  method_not_allowed: (row) => `${capital(route(row))} does not take ${row.method ?? 'this method'}.`,
  conflict: () => 'The Idempotency-Key belonged to another request.',
  body_too_large: (row) => `The body was larger than ${route(row)} takes.`,
  not_ready: () => 'The gateway was not ready.',
  overloaded: (row) => `Too many requests were waiting for ${row.upstream ?? 'the upstream'}.`,
  log_unavailable: () => 'The access log could not take this request.',
  loop_detected: () => 'The request had been through this gateway before.',
  upstream_invalid: (row) => `No upstream address can be made of the name of ${tenant(row)}.`,
  upstream_refused: (row) => `${upstream(row)} could not be reached.`,
  upstream_timeout: (row) => `${upstream(row)} did not answer in time.`,
  upstream_reset: (row) => `${upstream(row)} gave no valid answer.`,
  client_closed: () => 'The client left before the answer was whole.',
  draining: () => 'The gateway was shutting down.',
  internal: () => "An error in the gateway itself. Its log has the request's id.",
  canary: () => 'An entry that the gateway writes itself, to see how long one takes to the table.',
}

/** Why a request ended as it did, in one sentence. */
export function sentenceOf(row: Told): string {
  const tell = (row.reason === null ? undefined : BY_REASON[row.reason]) ?? BY_OUTCOME[row.outcome]
  if (tell !== undefined) return tell(row)
  return `It ended as ${row.outcome}${row.reason === null ? '' : `, because of ${row.reason}`}.`
}

function forwarded(row: Told): string {
  const by = row.upstream ?? 'the upstream'
  if (row.status >= 500) return `Passed on to ${by}, which failed with ${row.status}.`
  if (row.status === 429) return `Passed on to ${by}, which itself said 429: its own limit was used up.`
  if (row.status === 404) return `Passed on to ${by}, which has nothing there.`
  if (row.status >= 400) return `Passed on to ${by}, which refused it with ${row.status}.`
  return `Passed on to ${by}, which answered ${row.status}.`
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}

/** Who gave the answer. It decides the colour, together with a mark and a word. */
export type Answerer = 'ok' | 'upstream' | 'gateway' | 'refused' | 'client'

/** Failures of the upstream or the way to it. */
const OF_UPSTREAM = /^(?:upstream_|overloaded$|loop_detected$|delivery_failed$)/
/** What went as it should. */
const OF_NOBODY = new Set(['canary', 'accepted', 'delivered'])
/** Failures of the gateway itself. */
const OF_GATEWAY = /^(?:internal|not_ready|log_unavailable|draining)$/

export function answererOf({ outcome, status }: Pick<Told, 'outcome' | 'status'>): Answerer {
  if (outcome === 'client_closed') return 'client'
  if (outcome === 'forwarded' || outcome === 'answered') return status >= 500 ? 'upstream' : 'ok'
  if (OF_NOBODY.has(outcome)) return 'ok'
  if (OF_UPSTREAM.test(outcome)) return 'upstream'
  return OF_GATEWAY.test(outcome) ? 'gateway' : 'refused'
}
