import { HistogramCounts } from '../lib/histogram.ts'
import { OUTCOME_NAMES, type Outcome } from '../model/outcome.ts'
import type {
  AccountStats,
  AuditStats,
  CertificateExpiry,
  DatabaseFigures,
  DeliveryStats,
  EventsStats,
  StatsSources,
} from '../model/stats.ts'

/** Numbers for tests of what reads them: writable, and all at rest to begin with. */
export function restingStats() {
  const outcomes = new Float64Array(OUTCOME_NAMES.length * 5)
  const route = {
    route: 'npm',
    outcomes,
    bytesReceived: 0,
    bytesSent: 0,
    durationBuckets: new HistogramCounts([0.1, 1]),
    upstreamBuckets: new HistogramCounts([0.1, 1]),
  }
  const accounts: AccountStats[] = []
  const stats = {
    proxy: {
      inFlight: 0,
      connections: 0,
      upgradesOpen: 0,
      routes: [route],
      refusedConnections: {
        max_connections: 0,
        max_per_source: 0,
        proxy_header: 0,
        not_tls: 0,
        tls_handshake: 0,
        accept_failed: 0,
      },
      ruled: { deny: 0, warn: 0, allow: 0, would_deny: 0, would_warn: 0, would_allow: 0 },
    },
    limits: {
      refusals: { tenant_rate: 0, key_rate: 0, route_rate: 0, tenant_concurrency: 0, auth_throttled: 0 },
      buckets: 0,
      inFlightTenants: 0,
      holds: { held: 0, ended: { admitted: 0, refused: 0, gone: 0 }, seconds: 0 },
    },
    channel: {
      size: 0,
      bytes: 0,
      capacityEntries: 65_536,
      capacityBytes: 1024,
      reserved: 0,
      isBlocked: false,
    },
    totals: {
      accepted: 0,
      stored: 0,
      spilled: 0,
      quarantined: 0,
      buffered: 0,
      dropped: { channel_full: 0, rejected: 0, shutdown: 0 },
    },
    writer: {
      mode: 'idle' as 'idle' | 'copying',
      triggers: { size: 0, interval: 0, flush: 0, drain: 0 },
      bytes: 0,
      retries: 0,
      alreadyStored: 0,
      rowMismatches: 0,
      foreign: 0,
      copyDurations: { boundsMs: [2.5, 100], counts: [0, 0, 0], sumMs: 0 },
      oldestUnflushedAgeMs: 0,
      consecutiveFailures: 0,
      replayed: 0,
      isAway: false,
      sealedBytesPerSecond: 10,
      spill: {
        bytes: 0,
        foreignBytes: 0,
        maxBytes: 1000,
        segments: 0,
        pendingEntries: 0,
        refused: 0,
        damaged: 0,
        aside: { segments: 0, batches: 0, files: 0, entries: 0 },
      },
    },
    vitals: {
      canary: { sent: 0, arrived: 0, lost: 0, roundTripMs: null as number | null, ageMs: 0 },
      stuckLoops: [] as string[],
      audit: null as AuditStats | null,
      figures: {
        rollUpsAgeMs: 0,
        dueSlots: 0,
        keysExpiring: { '1d': 0, '7d': 0, '30d': 0 },
      } as DatabaseFigures | null,
      isReady: false,
      certificates: [] as CertificateExpiry[],
      events: null as EventsStats | null,
    },
    directory: {
      ageMs: null as number | null,
      keys: 0,
      tenants: 0,
      rules: 0,
      isRecalled: false,
      keepFailures: 0,
      refreshes: 0,
      fullLoads: 0,
      failures: 0,
      notifications: 0,
      isListening: false,
      pendingUses: 0,
      clockOffsetMs: null as number | null,
    },
    database: {
      state: 'unknown' as 'unknown' | 'there' | 'away',
      sinceMs: 0,
      silentMs: null as number | null,
      error: null as string | null,
    },
    pool: { route: 'npm', busy: 0, idle: 0, queued: 0 },
    upstreams: {
      route: 'npm',
      upstream: 'registry.example.com',
      states: { open: 0, half_open: 0, ejected: 0, unhealthy: 0, serving: 1 },
      changes: { open: 0, half_open: 0, ejected: 0, unhealthy: 0, serving: 0 },
    },
    tokens: { route: 'npm', results: { fetched: 0, refused: 0, failed: 0, not_asked: 0 } },
    retries: { route: 'npm', results: { sent: 0, no_budget: 0 } },
    deliveries: {
      accepted: 0,
      duplicates: 0,
      refused: 0,
      attempts: { delivered: 0, failed: 0 },
      tenants: [] as DeliveryStats['tenants'],
      routes: [] as DeliveryStats['routes'],
      fill: { tenant: 0, disk: 0 },
    },
    idempotency: {
      results: { first: 0, replayed: 0, in_use: 0, reused: 0, unkept: 0, unknown: 0, full: 0 },
      ends: { kept: 0, too_large: 0, released: 0, failed: 0 },
      underWay: 0,
    },
    traces: { exported: 0, dropped: 0, rejected: 0, waiting: 0 },
    droppedLogLines: 0,
  }
  const sources: StatsSources = {
    proxy: () => stats.proxy,
    limits: () => stats.limits,
    channel: () => stats.channel,
    ledger: () => ({ totals: stats.totals, accounts: () => accounts }),
    writer: () => stats.writer,
    vitals: () => stats.vitals,
    directory: () => stats.directory,
    database: () => stats.database,
    pools: () => [stats.pool],
    upstreams: () => [stats.upstreams],
    tokens: () => [stats.tokens],
    retries: () => [stats.retries],
    deliveries: () => stats.deliveries,
    idempotency: () => stats.idempotency,
    traces: () => stats.traces,
    droppedLogLines: () => stats.droppedLogLines,
  }
  const countRequest = (outcome: Outcome, statusClass: number): void => {
    const index = OUTCOME_NAMES.indexOf(outcome) * 5 + statusClass - 1
    outcomes[index] = (outcomes[index] ?? 0) + 1
  }
  const countTenant = (tenant: string, accepted: number, lost: number): void => {
    accounts.push({ tenant, accepted, dropped: { channel_full: lost, rejected: 0, shutdown: 0 } })
  }
  return { stats, route, sources, countRequest, countTenant }
}
