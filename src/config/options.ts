import { ADDRESS_FIELDS } from '../model/address-field.ts'
import { credentialTexts, urlPassword } from '../model/upstream/credential-texts.ts'
import {
  bytes,
  choice,
  integer,
  isDatabase,
  isHost,
  isHttpUrl,
  isPostgresUrl,
  isPublicUrl,
  milliseconds,
  networks,
  onOff,
  text,
  tlsFiles,
  type Row,
} from './option-rows.ts'
import { ADMIN_OPTIONS } from './admin/admin-options.ts'
import { EVENT_OPTIONS } from './admin/event-options.ts'
import { ACCESS_LOG_OPTIONS } from './access-log-options.ts'
import { ARTIFACT_OPTIONS } from './artifact-options.ts'
import { DELIVERY_OPTIONS } from './integration/delivery-options.ts'
import { IDEMPOTENCY_OPTIONS } from './integration/idempotency-options.ts'
import { DIRECTORY_OPTIONS } from './directory-options.ts'
import { UPSTREAM_OPTIONS } from './upstream-options.ts'

const DAY_MS = 86_400_000
const MIB = 1024 ** 2

/**
 * Every tuning value of the product. The key is the path in `waybill.yaml`; the environment variable (`WAYBILL_…`) and
 * the flag (`--…`) derive from it. The table of docs/configuration.md and `--help` are generated from here.
 */
export const OPTIONS = {
  'listen.host': text('0.0.0.0', 'an address or host name', 'Address of the proxy listener', isHost, {
    actsOn: 'restart',
  }),
  'listen.port': integer(8080, 0, 65_535, 'Port of the proxy listener; 0 takes a free one', {
    actsOn: 'restart',
  }),
  'listen.tls': tlsFiles(
    'Certificate and key in PEM with which the proxy listener speaks TLS; with several, the name that a client asks for decides. Read again when the files change',
    { actsOn: 'reload' },
  ),
  'listen.proxyProtocol': onOff(
    false,
    'Peers in proxy.trustedProxies begin each connection with a PROXY header, version 1 or 2',
  ),
  'listen.handshakeTimeoutMs': milliseconds(
    10_000,
    100,
    600_000,
    'Longest time for a PROXY header and a TLS handshake',
  ),
  ...ADMIN_OPTIONS,

  ...EVENT_OPTIONS,
  publicUrl: text(
    '',
    'an http(s) URL such as https://artifacts.example.com or, where the front takes /base/ away, https://artifacts.example.com/base/',
    'How clients reach the proxy: the address that documents and redirects tell them',
    isPublicUrl,
  ),
  stateDir: text(
    '.waybill',
    'a path',
    'Folder of the embedded PostgreSQL and other local state',
    (v) => v !== '',
    { actsOn: 'restart' },
  ),
  workers: integer(
    0,
    0,
    1024,
    'Processes that serve the proxy listener; 0 for one per core available, 1 for everything in one process',
    { actsOn: 'restart' },
  ),

  'database.url': text(
    '',
    'a URL such as postgres://user:password@host:5432/database?sslmode=verify-full, or embedded',
    'PostgreSQL 15 or newer; empty starts the embedded one as well, and `serve` warns of it',
    isDatabase,
    { isSecret: true, secrets: urlPassword, env: 'DATABASE_URL', actsOn: 'restart' },
  ),
  'database.readerUrl': text(
    '',
    'a URL such as postgres://user:password@host:5432/database?sslmode=verify-full',
    'Where listings and reports read from; empty for database.url',
    isPostgresUrl,
    { isSecret: true, secrets: urlPassword, actsOn: 'restart' },
  ),
  'database.maxClockOffsetMs': milliseconds(
    120_000,
    1000,
    DAY_MS,
    "Nothing is dropped by age while this gateway's clock and the database's are further apart",
    { actsOn: 'restart' },
  ),
  'database.statementTimeoutMs': milliseconds(
    30_000,
    100,
    3_600_000,
    'Longest statement of a listing or report',
    { actsOn: 'restart' },
  ),

  'proxy.headersTimeoutMs': milliseconds(15_000, 100, 600_000, 'Longest wait for a complete request head'),
  'proxy.keepAliveTimeoutMs': milliseconds(
    75_000,
    1000,
    3_600_000,
    "Idle client connections are closed after this; keep it above the balancer's",
  ),
  'proxy.halfClosedIdleMs': milliseconds(
    3000,
    0,
    3_600_000,
    'A client that has ended its side gets its answer. After this long without a byte it is asked by a 100 (Continue) whether it is still there; in the middle of a body it counts as gone; 0 waits as for any other client',
  ),
  'proxy.maxHeaderBytes': bytes(32_768, 8192, MIB, 'Largest request head; larger is answered 431'),
  'proxy.maxHeaderFields': integer(
    512,
    16,
    16_384,
    'Most fields of a request head; more are answered 431 before anything is done with them',
  ),
  'proxy.maxConnectionTokens': integer(
    64,
    4,
    4096,
    'Most names in the Connection fields of a request; more are answered 431',
  ),
  'proxy.maxConnections': integer(16_384, 1, 1_000_000, 'Client connections at once; more are refused', {
    actsOn: 'restart',
  }),
  'proxy.maxConnectionsPerSource': integer(
    4096,
    0,
    1_000_000,
    'Client connections of one address (in IPv6 of one /64) at once, trusted proxies excepted; more are refused; 0 for any number',
  ),
  'proxy.trustedProxies': networks(
    'Peers that may name the client that they speak for: X-Forwarded-For, -Proto and -Host, Forwarded, X-Real-IP, the PROXY protocol',
    { actsOn: 'reload' },
  ),
  'proxy.clientAddressField': choice(
    'auto',
    ADDRESS_FIELDS,
    'Field in which trusted proxies write the client; auto takes the first of the others that is there',
    { actsOn: 'reload' },
  ),
  'proxy.probePath': text(
    '',
    'empty, or a path such as /-/ready',
    'Path of the proxy listener that answers 204 when the gateway is ready and 503 when it is not, without a key; empty for none',
    (v) => v === '' || /^\/[A-Za-z0-9._~/-]{1,200}$/.test(v),
    { actsOn: 'reload' },
  ),
  'proxy.revokedExchanges': choice(
    'end',
    ['end', 'finish'],
    'What becomes of requests, streams and tunnels under way whose key is revoked, expires or loses the scope or network, or whose tenant is suspended',
    { actsOn: 'reload' },
  ),
  'proxy.refusalContact': text(
    '',
    'empty, or up to 100 printable characters of Latin-1',
    'What every refusal ends with, for the person who reads it: "Ask platform@example.com."; strangers read it too',
    (v) => /^[\x20-\x7e\xa0-\xff]{0,100}$/.test(v),
    { actsOn: 'reload' },
  ),
  'proxy.maxUpstreamPools': integer(
    1024,
    1,
    100_000,
    'Upstream origins with open connections at once ({tenant} in upstream hosts)',
  ),

  ...UPSTREAM_OPTIONS,

  ...ARTIFACT_OPTIONS,

  'limits.idleBucketMs': milliseconds(
    60_000,
    1000,
    DAY_MS,
    'Rate buckets that are full again and unused for this long are evicted',
  ),

  'limits.maxHeld': integer(
    1024,
    0,
    100_000,
    'Requests over a rate that a process holds at once (`holdMs` of their routes), half of them of one tenant at most; more are answered 429; 0 holds none',
  ),

  'auth.failuresPerMinute': integer(
    60,
    0,
    1_000_000,
    "Wrong credentials that one address (in IPv6 one /64) may present a minute, per process; more are answered 429 and are no tenant's, valid ones are served; 0 for any number",
  ),
  'auth.failuresBurst': integer(60, 1, 1_000_000, 'Wrong credentials that one address may present at once'),
  'auth.maxSources': integer(
    65_536,
    1,
    1_000_000,
    'Addresses whose wrong credentials are counted at once, per process; the one longest without makes room',
  ),

  ...DIRECTORY_OPTIONS,

  ...ACCESS_LOG_OPTIONS,

  ...DELIVERY_OPTIONS,
  ...IDEMPOTENCY_OPTIONS,

  'rollUps.intervalMs': milliseconds(
    60_000,
    1000,
    DAY_MS,
    'How often figures (roll-ups) are brought up to date; usage is exact at any time',
    { actsOn: 'restart' },
  ),

  'rollUps.minutesDays': integer(
    90,
    1,
    36_500,
    'Days for which counts and latencies are kept per minute of each route, and per hour of each tenant',
    { actsOn: 'restart' },
  ),
  'rollUps.tenantMinutesDays': integer(
    7,
    1,
    36_500,
    'Days for which counts and latencies are kept per minute of each tenant',
    { actsOn: 'restart' },
  ),
  'rollUps.packagesDays': integer(
    400,
    1,
    36_500,
    'Days for which the packages most asked for on a day are kept',
    { actsOn: 'restart' },
  ),
  'rollUps.retentionDays': integer(
    800,
    1,
    36_500,
    'Days for which usage is kept, and counts and latencies per hour of each route; usage at least as long as its entries',
    { actsOn: 'restart' },
  ),

  'audit.intervalMs': milliseconds(
    300_000,
    0,
    DAY_MS,
    'How often the last hour is audited for the metrics; 0 turns it off',
  ),

  'metrics.tenantLabels': integer(
    0,
    0,
    10_000,
    'Tenants with a label of their own in /metrics; the others are "__other__"; 0 turns the label off',
  ),

  'traces.endpoint': text(
    '',
    'empty, or an http(s) URL such as http://127.0.0.1:4318/v1/traces',
    'Collector of OpenTelemetry that gets the spans of sampled traces, by OTLP/HTTP in JSON; empty makes none',
    (v) => v === '' || isHttpUrl(v),
  ),
  'traces.authorization': text(
    '',
    'empty, or a field value of up to 1,024 printable characters, such as Bearer …',
    'What the collector gets in the field Authorization',
    (v) => /^[\x20-\x7e]{0,1024}$/.test(v),
    { isSecret: true, secrets: credentialTexts },
  ),
  'traces.beginOneIn': integer(
    0,
    0,
    1_000_000,
    'Of requests that come without a traceparent one in so many begins a trace; 0 for none. Those with one are recorded when their caller says so',
  ),
  'traces.maxSpans': integer(
    8192,
    512,
    1_000_000,
    'Spans that may wait for the collector, per process; more are dropped and counted',
  ),

  'shutdown.acceptMs': milliseconds(
    0,
    0,
    3_600_000,
    'After SIGTERM connections are accepted and served for this long while /readyz is 503: the time in which balancers learn of it',
  ),
  'shutdown.idleMs': milliseconds(
    1000,
    0,
    3_600_000,
    'After that a kept connection is ended once it has been idle for this long; until then its request is served',
  ),
  'shutdown.drainTimeoutMs': milliseconds(
    20_000,
    0,
    3_600_000,
    'Longest wait for requests in flight after SIGTERM',
  ),
  'shutdown.flushTimeoutMs': milliseconds(
    8000,
    0,
    3_600_000,
    'Longest wait for the access log after the last request',
  ),
  'shutdown.graceMs': milliseconds(
    30_000,
    0,
    7_200_000,
    'What the orchestrator grants between SIGTERM and SIGKILL; acceptMs, drainTimeoutMs and flushTimeoutMs must fit into it',
    { actsOn: 'restart' },
  ),

  'log.level': choice(
    'info',
    ['trace', 'debug', 'info', 'warn', 'error', 'silent'],
    'Least severe level that is logged to stderr',
    { actsOn: 'reload' },
  ),
  'log.format': choice(
    'auto',
    ['auto', 'json', 'pretty'],
    'Lines of the log for programs (json) or people (pretty); auto is pretty where stderr is a terminal',
    { actsOn: 'restart' },
  ),
  'log.maxBacklogBytes': bytes(
    MIB,
    64 * 1024,
    256 * MIB,
    'Log lines that wait, per process, while stderr has no reader; beyond, they are dropped and counted',
  ),
} as const satisfies Record<string, Row<unknown>>

export type OptionName = keyof typeof OPTIONS

/** All options with their effective values. */
export type Options = {
  readonly [K in OptionName]: ReturnType<(typeof OPTIONS)[K]['read']>
}

/** All option names in table order. */
export const OPTION_NAMES = Object.keys(OPTIONS) as readonly OptionName[]

/** The row of an option, its value type forgotten: for code that treats all alike. */
export function optionRow(name: OptionName): Row<unknown> {
  return OPTIONS[name]
}

/** Environment variable of an option: `accessLog.flushEntries` → `WAYBILL_ACCESS_LOG_FLUSH_ENTRIES`. */
export function optionEnv(name: OptionName): string {
  return optionRow(name).env ?? `WAYBILL_${words(name).join('_').toUpperCase()}`
}

/** Flag of an option: `accessLog.flushEntries` → `access-log-flush-entries`. */
export function optionFlag(name: OptionName): string {
  return words(name).join('-')
}

function words(name: string): string[] {
  return name
    .replaceAll('.', '-')
    .replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`)
    .split('-')
}
