import type { ContactReading } from '../lib/database-contact.ts'
import type { HistogramReading } from '../lib/histogram.ts'
import type { AuditGapKind } from './audit/audit.ts'
import type { EventLoss } from './events/event.ts'
import type { RuleMark } from './rules/rule.ts'
import type { AddressState } from './upstream/health-rules.ts'

/*
 * What each part of the gateway lets others see of itself: plain numbers that only grow, or are true right now. Read at
 * scrape time by metrics and the console; nothing is copied, formatted or labelled before it is read.
 */

/** Counters of one configured route. Requests that matched none stand under the route name ''. */
export interface RouteStats {
  readonly route: string
  /** Finished requests, at `OUTCOME_NAMES.indexOf(outcome) * 5 + statusClass - 1` (status class 1 to 5). */
  readonly outcomes: Readonly<Float64Array>
  /** Body bytes from clients. */
  readonly bytesReceived: number
  /** Body bytes to clients. */
  readonly bytesSent: number
  /** From a request's head to the end of its response. */
  readonly durationBuckets: HistogramReading
  /** From sending upstream to the head of the upstream's response. */
  readonly upstreamBuckets: HistogramReading
}

/** Why a client's connection was refused before its first request. */
export const CONNECTION_REFUSALS = [
  'max_connections',
  'max_per_source',
  'proxy_header',
  'not_tls',
  'tls_handshake',
  'accept_failed',
] as const

export type ConnectionRefusal = (typeof CONNECTION_REFUSALS)[number]

/** The proxy listener. */
export interface ProxyStats {
  /** Requests in flight, upgraded connections not included. */
  readonly inFlight: number
  /** Open client connections. */
  readonly connections: number
  /** Open upgraded connections (WebSocket and other). */
  readonly upgradesOpen: number
  readonly refusedConnections: Readonly<Record<ConnectionRefusal, number>>
  /** Requests that a rule concerned, by what it did. */
  readonly ruled: Readonly<Record<RuleMark, number>>
  readonly routes: Iterable<RouteStats>
}

/** Policies that refuse a request with 429; also the entry's `reason`. */
export const LIMIT_POLICIES = [
  'tenant_rate',
  'key_rate',
  'route_rate',
  'tenant_concurrency',
  'auth_throttled',
] as const

export type LimitPolicy = (typeof LIMIT_POLICIES)[number]

/** Rate and concurrency limits. */
export interface LimitsStats {
  readonly refusals: Readonly<Record<LimitPolicy, number>>
  /** Rate buckets in memory. */
  readonly buckets: number
  /** Tenants with at least one request in flight. */
  readonly inFlightTenants: number
  readonly holds: HoldStats
}

/** How a request that was held went on: `gone` when its client left, or it lost its right, or the process ended. */
export type HoldEnd = 'admitted' | 'refused' | 'gone'

/** Requests over a limit that are held. */
export interface HoldStats {
  /** Held right now. */
  readonly held: number
  readonly ended: Readonly<Record<HoldEnd, number>>
  /** How long those that have ended were held, all together. */
  readonly seconds: number
}

/** The bounded channel of access entries. */
export interface ChannelStats {
  /** Entries waiting right now. */
  readonly size: number
  /** Estimated heap of the entries waiting. */
  readonly bytes: number
  readonly capacityEntries: number
  readonly capacityBytes: number
  /** Places promised to entries of strict tenants: of requests in flight, and waiting. */
  readonly reserved: number
  /** Neither Postgres nor the disk takes entries away: strict tenants are refused. */
  readonly isBlocked: boolean
}

/** Entries of one tenant since the process started. */
export interface AccountStats {
  /** Slug; '' for requests without a tenant, `__other__` for tenants beyond the number that is told apart. */
  readonly tenant: string
  /** All entries that reached the channel, dropped ones included: one for each request that ended. */
  readonly accepted: number
  /** By reason; every possible reason is there, 0 included. */
  readonly dropped: Readonly<Record<string, number>>
}

/** Entries accepted and lost, by tenant. accepted = stored + spilled + quarantined + buffered + the sum of dropped. */
export interface LedgerStats {
  readonly totals: Omit<AccountStats, 'tenant'> & {
    readonly stored: number
    readonly spilled: number
    readonly quarantined: number
    readonly buffered: number
  }
  /** Tenants that had an entry; one stays where it is for as long as the process lives. */
  accounts(): Iterable<AccountStats>
}

/** Modes of the access log writer. */
export const WRITER_MODES = ['idle', 'collecting', 'copying', 'backing_off', 'draining', 'stopped'] as const

export type WriterMode = (typeof WRITER_MODES)[number]

/** Why a batch was begun: enough entries waited, the oldest had waited long enough, a caller asked, the gateway stops. */
export const FLUSH_TRIGGERS = ['size', 'interval', 'flush', 'drain'] as const

export type FlushTrigger = (typeof FLUSH_TRIGGERS)[number]

/** The access log writer; counts are of batches stored, since the process started. */
export interface WriterStats {
  readonly mode: WriterMode
  readonly triggers: Readonly<Record<FlushTrigger, number>>
  /** Encoded bytes of the entries stored. */
  readonly bytes: number
  /** Attempts after the first, of any batch. */
  readonly retries: number
  /** Batches that a retry found stored already: the acknowledgement had been lost. */
  readonly alreadyStored: number
  /** Batches of which Postgres counted other rows than were sent; more than 0 is a fault of the product. */
  readonly rowMismatches: number
  /** Batches whose number the ledger had with another digest: another process has this instance's id. */
  readonly foreign: number
  /** COPY with its commit; `counts` by bucket, not cumulative, one longer than `boundsMs`. */
  readonly copyDurations: {
    readonly boundsMs: readonly number[]
    readonly counts: readonly number[]
    readonly sumMs: number
  }
  /** Age of the oldest entry not yet acknowledged, 0 when there is none. */
  readonly oldestUnflushedAgeMs: number
  /** Failed attempts since the last success. */
  readonly consecutiveFailures: number
  /** Rows stored from the spill, those of dead processes included. */
  readonly replayed: number
  /** Whether the database is taken for away: batches go to the spill. */
  readonly isAway: boolean
  /** What is sealed at present, bytes a second: what an outage would spill. */
  readonly sealedBytesPerSecond: number
  /** null without a spill. */
  readonly spill: {
    /** Segments of this process and those taken over; in segments of other live processes. */
    readonly bytes: number
    readonly foreignBytes: number
    readonly maxBytes: number
    readonly segments: number
    /** Rows that wait for their replay. */
    readonly pendingEntries: number
    /** Batches that the disk or the bound refused; damaged places met. */
    readonly refused: number
    readonly damaged: number
    /** What cannot be stored for now, and does not hold up the rest. */
    readonly aside: {
      readonly segments: number
      readonly batches: number
      readonly files: number
      readonly entries: number
    }
  } | null
}

/** Whether the database takes the batches that there are: none fails, and none goes to the spill instead. */
export function isStoring({ isAway, consecutiveFailures }: WriterStats): boolean {
  return !isAway && consecutiveFailures === 0
}

/** The canary: entries that the gateway puts into the channel itself, to measure the way into the database. */
export interface CanaryStats {
  /** Since the process started; one is on its way at most. */
  readonly sent: number
  readonly arrived: number
  /** Dropped, or refused by the database. */
  readonly lost: number
  /** From push to commit, of the newest one that arrived; null before the first. */
  readonly roundTripMs: number | null
  /** Since the newest one that arrived was sent; before the first, since the start. */
  readonly ageMs: number
}

/** Loops of the access log that a watchdog watches. */
export const WATCHED_LOOPS = ['writer', 'replay'] as const

/** The newest audit of the last hour, over all gateways of the database. */
export interface AuditStats {
  /** Number of gaps by kind. */
  readonly gaps: Readonly<Record<AuditGapKind, number>>
  /** Since it was made. */
  readonly ageMs: number
}

/** Times within which keys that are valid now expire: labels of `waybill_keys_expiring`. */
export type ExpiryWindow = '1d' | '7d' | '30d'

/** What the newest look at the database told of work that is done there, over all gateways. */
export interface DatabaseFigures {
  /** Since the oldest batch was written that roll-ups have not taken in; 0 when they have all. */
  readonly rollUpsAgeMs: number
  /** Slots that are over and not computed. */
  readonly dueSlots: number
  readonly keysExpiring: Readonly<Record<ExpiryWindow, number>>
}

/** A certificate of the listener. */
export interface CertificateExpiry {
  /** The first name that it is for; '' for none. */
  readonly name: string
  /** Epoch milliseconds. */
  readonly expiresAtMs: number
}

/** Events for receivers, counted since the process started, once for each receiver. */
export interface EventsStats {
  /** Taken by the receiver. */
  readonly sent: number
  readonly lost: Readonly<Record<EventLoss, number>>
}

/** What one process of a gateway does for all of them. */
export interface GatewayVitals {
  /** null before the first, when it is turned off, and in the other processes. */
  readonly audit: AuditStats | null
  /** null before the first look, after none for minutes, and in the other processes. */
  readonly figures: DatabaseFigures | null
  /** null without receivers, and in the other processes. */
  readonly events: EventsStats | null
}

/** Whether the access log works, as it finds itself. */
export interface VitalsStats extends GatewayVitals {
  /** null when it is turned off. */
  readonly canary: CanaryStats | null
  /** Names of the loops that take no step although something waits for them. */
  readonly stuckLoops: readonly string[]
  /** `/readyz` answers 200. */
  readonly isReady: boolean
  readonly certificates: readonly CertificateExpiry[]
}

/** The directory of tenants and keys. */
export interface DirectoryStats {
  /** Since the last successful look at the database; null before the first load. */
  readonly ageMs: number | null
  readonly keys: number
  readonly tenants: number
  /** Rules in force. */
  readonly rules: number
  /** The snapshot is one of disk: the database has not been reached since the start. */
  readonly isRecalled: boolean
  /** Snapshots, and notes of what was taken away, that could not be written to disk. */
  readonly keepFailures: number
  /** Successful incremental refreshes. */
  readonly refreshes: number
  readonly fullLoads: number
  readonly failures: number
  readonly notifications: number
  /** Whether notifications can arrive; without, changes are found by polling. */
  readonly isListening: boolean
  /** Keys whose last use is yet to be written. */
  readonly pendingUses: number
  /** This process' wall clock minus the database's; null before the first look. */
  readonly clockOffsetMs: number | null
}

/** Upstream connections of one route. */
export interface PoolStats {
  readonly route: string
  /** Connections with a request on them. */
  readonly busy: number
  /** Open connections without one. */
  readonly idle: number
  /** Requests that wait for a connection. */
  readonly queued: number
}

/** The upstream addresses of one route with one host and port; several of them where that holds `{tenant}`. */
export interface UpstreamStats {
  readonly route: string
  /** Host and port, as the configuration writes them. */
  readonly upstream: string
  /** Addresses in each state right now. */
  readonly states: Readonly<Record<AddressState, number>>
  /** How often one came into each state. */
  readonly changes: Readonly<Record<AddressState, number>>
}

/** What came of asking for a token that an upstream wants; `not_asked`: its realm is nobody to ask. */
export const TOKEN_RESULTS = ['fetched', 'refused', 'failed', 'not_asked'] as const

export type TokenResult = (typeof TOKEN_RESULTS)[number]

/** Tokens fetched for one route that has them fetched. */
export interface TokenStats {
  readonly route: string
  readonly results: Readonly<Record<TokenResult, number>>
}

/** What became of requests that could have been sent again: they were, or the route's budget was used up. */
export type RetryResult = 'sent' | 'no_budget'

/** Retries of one route that has them. */
export interface RetryStats {
  readonly route: string
  readonly results: Readonly<Record<RetryResult, number>>
}

/** Spans for a collector, since the process started. */
export interface TraceStats {
  readonly exported: number
  /** For want of room, or at the end. */
  readonly dropped: number
  /** Refused by the collector for good. */
  readonly rejected: number
  readonly waiting: number
}

/** Where the numbers are read: one function per part, called at each scrape; cheap and never throwing. */
export interface StatsSources {
  readonly proxy: () => ProxyStats
  readonly limits: () => LimitsStats
  readonly channel: () => ChannelStats
  readonly ledger: () => LedgerStats
  readonly writer: () => WriterStats
  readonly vitals: () => VitalsStats
  readonly directory: () => DirectoryStats
  /** Whether the database is there. */
  readonly database: () => ContactReading
  readonly pools: () => Iterable<PoolStats>
  readonly upstreams: () => Iterable<UpstreamStats>
  readonly tokens: () => Iterable<TokenStats>
  readonly retries: () => Iterable<RetryStats>
  /** null while no route accepts deliveries. */
  readonly deliveries: () => DeliveryStats | null
  /** null while no route heeds Idempotency-Keys. */
  readonly idempotency: () => IdempotencyStats | null
  /** null when traces are off. */
  readonly traces: () => TraceStats | null
  /** Log lines lost because they were not read. */
  readonly droppedLogLines: () => number
}

/** What a process did with requests that bear an Idempotency-Key, since it started. */
export interface IdempotencyStats {
  /** What the key turned out to be. */
  readonly results: Readonly<
    Record<'first' | 'replayed' | 'in_use' | 'reused' | 'unkept' | 'unknown' | 'full', number>
  >
  /** What became of the keys of those that were the first. */
  readonly ends: Readonly<Record<'kept' | 'too_large' | 'released' | 'failed', number>>
  /** Calls that are the first, and not at their end. */
  readonly underWay: number
}

/** What a process keeps and delivers. */
export interface DeliveryStats {
  readonly accepted: number
  readonly duplicates: number
  readonly refused: number
  readonly attempts: { readonly delivered: number; readonly failed: number }
  /** Of all processes, as the database told last. */
  readonly tenants: readonly {
    readonly tenant: string
    readonly waiting: number
    readonly dead: number
    readonly bytes: number
    readonly oldestMs: number
  }[]
  /** Those that this process delivers for. */
  readonly routes: readonly {
    readonly route: string
    readonly held: number
    readonly underWay: number
    readonly breaker: 'closed' | 'open' | 'half_open'
  }[]
  /** Shares of bounds: of the tenant that has most of what it may have waiting, and of the disk of this process. */
  readonly fill: { readonly tenant: number; readonly disk: number }
}
