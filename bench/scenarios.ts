import { DOWNLOAD_BYTES } from './harness/upstream.ts'

/** One kind of load. */
export interface Scenario {
  readonly name: string
  readonly what: string
  readonly path: string
  readonly connections: number
  /** Bytes of the request's body. */
  readonly bodyBytes: number
  /** Requests per second of the open model; null: closed model. */
  readonly rate: number | null
  readonly isNewConnections: boolean
  /** Ends after this many requests; null: after the run's seconds. */
  readonly maxRequests: number | null
  /** Body bytes that each request moves, for figures per GB. */
  readonly payloadBytes: number
  /** Keys of as many tenants are presented in turn, to Waybill with everything on; null: one key, and all take part. */
  readonly tenants: number | null
  /** Goals hang on it: it is run in all rounds. */
  readonly isMain: boolean
}

const DEFAULTS = {
  path: '/1k',
  connections: 64,
  bodyBytes: 0,
  rate: null,
  isNewConnections: false,
  maxRequests: null,
  payloadBytes: 1024,
  tenants: null,
  isMain: false,
}
const MIB = 1024 * 1024

/** Requests per second of the open model: about a third of what the slowest candidates reach on one core. */
const OPEN_RATE = 3000

/** All scenarios, in the order in which they are run. */
export const SCENARIOS: readonly Scenario[] = [
  { ...DEFAULTS, name: '1k', what: '1 KiB responses, 64 connections', isMain: true },
  {
    ...DEFAULTS,
    name: 'latency',
    what: `1 KiB responses, ${OPEN_RATE} requests/s due at fixed times, 64 connections`,
    rate: OPEN_RATE,
  },
  { ...DEFAULTS, name: '0', what: 'empty responses, 64 connections', path: '/0', payloadBytes: 0 },
  { ...DEFAULTS, name: '64k', what: '64 KiB responses, 64 connections', path: '/64k', payloadBytes: 65_536 },
  { ...DEFAULTS, name: '1-connection', what: '1 KiB responses, 1 connection', connections: 1 },
  { ...DEFAULTS, name: '1000-connections', what: '1 KiB responses, 1,000 connections', connections: 1000 },
  {
    ...DEFAULTS,
    name: 'new-connections',
    what: '1 KiB responses, a new connection for each of 64 at a time',
    isNewConnections: true,
  },
  {
    ...DEFAULTS,
    name: 'download',
    what: '256 MiB responses, 1 connection',
    path: '/download',
    connections: 1,
    maxRequests: 4,
    payloadBytes: DOWNLOAD_BYTES,
    isMain: true,
  },
  {
    ...DEFAULTS,
    name: 'upload',
    what: '1 MiB request bodies, 16 connections',
    path: '/upload',
    connections: 16,
    bodyBytes: MIB,
    payloadBytes: MIB,
    isMain: true,
  },
  {
    ...DEFAULTS,
    name: 'upload-64m',
    what: '64 MiB request bodies, 2 connections',
    path: '/upload',
    connections: 2,
    bodyBytes: 64 * MIB,
    payloadBytes: 64 * MIB,
  },
  ofTenants(1),
  ofTenants(100),
  ofTenants(5000),
]

function ofTenants(tenants: number): Scenario {
  const what = `1 KiB responses, 64 connections, keys of ${tenants} tenants in turn`
  return { ...DEFAULTS, name: `${tenants}-tenants`, what, tenants }
}
