import type { UpstreamStats } from '../model/stats.ts'
import type { DatabaseOverview, Overview } from './overview.ts'

/** Most urgent first: what the writers of several workers are said to be doing is what the first of these does. */
const MODES = ['backing_off', 'draining', 'copying', 'collecting', 'idle', 'stopped'] as const

/** The live numbers of several processes as those of one gateway: counts add up, ages and failures are those of the worst. */
export function mergeOverviews(
  identity: Pick<Overview, 'version' | 'instance' | 'uptimeMs'>,
  parts: readonly Overview[],
): Overview {
  const requests = parts.map((part) => part.requests)
  const logs = parts.map(({ accessLog }) => accessLog)
  const directories = parts.map(({ directory }) => directory)
  const least = (counts: readonly number[]): number => {
    const known = Math.min(...counts)
    return Number.isFinite(known) ? known : 0
  }
  const ages = directories.flatMap(({ ageMs }) => (ageMs === null ? [] : [ageMs]))
  return {
    ...identity,
    requests: {
      total: sum(requests, (r) => r.total),
      byOutcome: sumRecords(requests.map((r) => r.byOutcome)) as Overview['requests']['byOutcome'],
      inFlight: sum(requests, (r) => r.inFlight),
      connections: sum(requests, (r) => r.connections),
      upgradedConnections: sum(requests, (r) => r.upgradedConnections),
      bytesReceived: sum(requests, (r) => r.bytesReceived),
      bytesSent: sum(requests, (r) => r.bytesSent),
    },
    limits: {
      refusals: sumRecords(parts.map((p) => p.limits.refusals)) as Overview['limits']['refusals'],
      inFlightTenants: sum(parts, (p) => p.limits.inFlightTenants),
    },
    accessLog: {
      writerMode: MODES.find((mode) => logs.some((log) => log.writerMode === mode)) ?? 'stopped',
      accepted: sum(logs, (l) => l.accepted),
      stored: sum(logs, (l) => l.stored),
      spilled: sum(logs, (l) => l.spilled),
      quarantined: sum(logs, (l) => l.quarantined),
      buffered: sum(logs, (l) => l.buffered),
      dropped: sumRecords(logs.map((l) => l.dropped)),
      channelEntries: sum(logs, (l) => l.channelEntries),
      capacityEntries: sum(logs, (l) => l.capacityEntries),
      channelBytes: sum(logs, (l) => l.channelBytes),
      capacityBytes: sum(logs, (l) => l.capacityBytes),
      oldestUnflushedAgeMs: Math.max(0, ...logs.map((l) => l.oldestUnflushedAgeMs)),
      consecutiveFailures: Math.max(0, ...logs.map((l) => l.consecutiveFailures)),
      pendingReplay: logs.every((l) => l.pendingReplay === null)
        ? null
        : sum(logs, (l) => l.pendingReplay ?? 0),
      canary: slowestCanary(logs.map(({ canary }) => canary)),
    },
    upstreams: mergeUpstreams(parts.flatMap(({ upstreams }) => upstreams)),
    database: mergeDatabases(parts.map(({ database }) => database)),
    directory: {
      ageMs: ages.length === 0 ? null : Math.max(...ages),
      // What all of them know.
      keys: least(directories.map(({ keys }) => keys)),
      tenants: least(directories.map(({ tenants }) => tenants)),
    },
  }
}

/**
 * What stays true of a process that has gone: what it counted. Entries that it had in memory or on disk are left out: they are
 * lost, or the next one's that replays them; the audit tells.
 */
export function countedOverview(overview: Overview): Overview {
  const { requests, limits, accessLog, directory, upstreams } = overview
  const { stored, quarantined, dropped } = accessLog
  return {
    ...overview,
    requests: { ...requests, inFlight: 0, connections: 0, upgradedConnections: 0 },
    limits: { ...limits, inFlightTenants: 0 },
    accessLog: {
      ...accessLog,
      writerMode: 'stopped',
      accepted: stored + quarantined + Object.values(dropped).reduce((total, n) => total + n, 0),
      spilled: 0,
      buffered: 0,
      channelEntries: 0,
      capacityEntries: 0,
      channelBytes: 0,
      capacityBytes: 0,
      oldestUnflushedAgeMs: 0,
      consecutiveFailures: 0,
      pendingReplay: null,
      canary: null,
    },
    database: UNKNOWN,
    upstreams: upstreams.map((upstream) => Object.assign({}, upstream, { states: NO_ADDRESS })),
    directory: { ...directory, ageMs: null, keys: Infinity, tenants: Infinity },
  }
}

const NO_ADDRESS: UpstreamStats['states'] = { open: 0, half_open: 0, ejected: 0, unhealthy: 0, serving: 0 }

const UNKNOWN: DatabaseOverview = {
  state: 'unknown',
  sinceMs: 0,
  since: new Date(0).toISOString(),
  silentMs: null,
  error: null,
  isStoring: true,
}

type Canary = Overview['accessLog']['canary']

/** Of the process whose canaries take longest: the one that has waited longest for one to arrive. */
function slowestCanary(canaries: readonly Canary[]): Canary {
  const known = canaries.filter((canary) => canary !== null)
  if (known.length === 0) return null
  const trips = known.flatMap(({ roundTripMs }) => (roundTripMs === null ? [] : [roundTripMs]))
  return {
    roundTripMs: trips.length === 0 ? null : Math.max(...trips),
    ageMs: Math.max(...known.map(({ ageMs }) => ageMs)),
  }
}

/** Of the process that has it worst: away for the longest, or there again for the shortest. */
function mergeDatabases(databases: readonly DatabaseOverview[]): DatabaseOverview {
  const isStoring = databases.every((database) => database.isStoring)
  const longestFirst = [...databases].sort((a, b) => b.sinceMs - a.sinceMs)
  const worst =
    longestFirst.find(({ state }) => state === 'away') ??
    longestFirst.findLast(({ state }) => state === 'there') ??
    UNKNOWN
  return { ...worst, isStoring }
}

/** Each worker finds out for itself how an address is: of one address there are as many states as workers. */
function mergeUpstreams(parts: readonly UpstreamStats[]): UpstreamStats[] {
  const merged = new Map<string, UpstreamStats>()
  for (const part of parts) {
    const name = `${part.route} ${part.upstream}`
    const known = merged.get(name)
    const states = sumRecords([...(known === undefined ? [] : [known.states]), part.states])
    const changes = sumRecords([...(known === undefined ? [] : [known.changes]), part.changes])
    merged.set(name, { ...part, states, changes } as UpstreamStats)
  }
  return [...merged.values()]
}

function sum<T>(parts: readonly T[], of: (part: T) => number): number {
  return parts.reduce((total, part) => total + of(part), 0)
}

function sumRecords(records: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const total: Record<string, number> = {}
  for (const record of records) {
    for (const [key, value] of Object.entries(record)) total[key] = (total[key] ?? 0) + value
  }
  return total
}
