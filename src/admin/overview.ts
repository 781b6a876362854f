import type { ContactReading } from '../lib/database-contact.ts'
import { OUTCOME_NAMES, type Outcome } from '../model/outcome.ts'
import {
  isStoring,
  type CanaryStats,
  type DirectoryStats,
  type LimitPolicy,
  type StatsSources,
  type UpstreamStats,
  type WriterMode,
} from '../model/stats.ts'

/** The live numbers behind /api/overview. Totals count from the start of the process: a rate takes two readings. */
export interface Overview {
  readonly version: string
  /** Id of this process' run; totals start anew with another one. */
  readonly instance: string
  /** Milliseconds since the start, monotonic: the clock to divide differences of totals by. */
  readonly uptimeMs: number
  readonly requests: {
    readonly total: number
    readonly byOutcome: Readonly<Record<Outcome, number>>
    readonly inFlight: number
    readonly connections: number
    readonly upgradedConnections: number
    readonly bytesReceived: number
    readonly bytesSent: number
  }
  readonly limits: {
    readonly refusals: Readonly<Record<LimitPolicy, number>>
    readonly inFlightTenants: number
  }
  readonly accessLog: {
    readonly writerMode: WriterMode
    readonly accepted: number
    readonly stored: number
    readonly spilled: number
    readonly quarantined: number
    readonly buffered: number
    readonly dropped: Readonly<Record<string, number>>
    readonly channelEntries: number
    readonly capacityEntries: number
    readonly channelBytes: number
    readonly capacityBytes: number
    readonly oldestUnflushedAgeMs: number
    readonly consecutiveFailures: number
    /** Entries on disk that wait for their replay, those of dead processes included; null without a spill. */
    readonly pendingReplay: number | null
    /** The way into the database, as the newest canary took it; null when there are none. */
    readonly canary: Pick<CanaryStats, 'roundTripMs' | 'ageMs'> | null
  }
  readonly directory: Pick<DirectoryStats, 'ageMs' | 'keys' | 'tenants'>
  readonly database: DatabaseOverview
  /** How the addresses of the routes' upstreams are. */
  readonly upstreams: readonly UpstreamStats[]
  /** Of a gateway of several processes: each of them; the figures above are their sums. */
  readonly workers?: readonly WorkerOverview[]
}

/** The database as the gateway meets it; of several processes, as the one does that has it worst. */
export interface DatabaseOverview extends ContactReading {
  /** When it came to be so: `sinceMs` before now by the clock of this machine, RFC 3339. */
  readonly since: string
  /** Whether it takes the access entries that there are: false while batches fail, or go to the disk instead. */
  readonly isStoring: boolean
}

/** One worker process. */
export interface WorkerOverview {
  /** Slot; two have the same while one replaces the other. */
  readonly worker: number
  readonly pid: number
  /** Id of its run, under which its entries are stored; null until it serves. */
  readonly instance: string | null
  readonly state: 'starting' | 'serving' | 'leaving' | 'ended'
  readonly isReady: boolean
  readonly connections: number
  /** Requests that ended; null when it does not answer. */
  readonly requests: number | null
  /** Whether the database is there, for it; null when it does not answer. */
  readonly database: ContactReading['state'] | null
}

/** Reads the live numbers now. */
export function readOverview(
  sources: StatsSources,
  process: { readonly version: string; readonly instance: string; readonly uptimeMs: number },
): Overview {
  const limits = sources.limits()
  const channel = sources.channel()
  const { accepted, stored, spilled, quarantined, buffered, dropped } = sources.ledger().totals
  const writer = sources.writer()
  const { canary } = sources.vitals()
  const { ageMs, keys, tenants } = sources.directory()
  const contact = sources.database()
  return {
    version: process.version,
    instance: process.instance,
    uptimeMs: process.uptimeMs,
    requests: readRequests(sources),
    limits: { refusals: limits.refusals, inFlightTenants: limits.inFlightTenants },
    accessLog: {
      writerMode: writer.mode,
      accepted,
      stored,
      spilled,
      quarantined,
      buffered,
      dropped,
      channelEntries: channel.size,
      capacityEntries: channel.capacityEntries,
      channelBytes: channel.bytes,
      capacityBytes: channel.capacityBytes,
      oldestUnflushedAgeMs: writer.oldestUnflushedAgeMs,
      consecutiveFailures: writer.consecutiveFailures,
      pendingReplay: writer.spill?.pendingEntries ?? null,
      canary: canary === null ? null : { roundTripMs: canary.roundTripMs, ageMs: canary.ageMs },
    },
    directory: { ageMs, keys, tenants },
    upstreams: [...sources.upstreams()],
    database: {
      ...contact,
      since: new Date(Date.now() - contact.sinceMs).toISOString(),
      isStoring: isStoring(writer),
    },
  }
}

function readRequests(sources: StatsSources): Overview['requests'] {
  const proxy = sources.proxy()
  const byOutcome = Object.fromEntries(OUTCOME_NAMES.map((name) => [name, 0])) as Record<Outcome, number>
  let total = 0
  let bytesReceived = 0
  let bytesSent = 0
  for (const route of proxy.routes) {
    bytesReceived += route.bytesReceived
    bytesSent += route.bytesSent
    for (const [index, outcome] of OUTCOME_NAMES.entries()) {
      for (let statusClass = 0; statusClass < 5; statusClass++) {
        const count = route.outcomes[index * 5 + statusClass] ?? 0
        byOutcome[outcome] += count
        total += count
      }
    }
  }
  return {
    total,
    byOutcome,
    inFlight: proxy.inFlight,
    connections: proxy.connections,
    upgradedConnections: proxy.upgradesOpen,
    bytesReceived,
    bytesSent,
  }
}
