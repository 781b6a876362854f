import { OUTCOMES, OUTCOME_NAMES } from '../model/outcome.ts'
import type { PoolStats, RouteStats, RetryStats, TokenStats, UpstreamStats } from '../model/stats.ts'
import type { HistogramReading } from '../lib/histogram.ts'
import { byKey, byRoute, histogramSamples, routeLabel, single, type Family, type Sample } from './family.ts'

const STATUS_CLASSES = ['1xx', '2xx', '3xx', '4xx', '5xx'] as const

/** What clients see: requests, limits, upstream connections. */
export const TRAFFIC_FAMILIES: readonly Family[] = [
  {
    type: 'counter',
    name: 'waybill_proxy_requests_total',
    help: 'Requests that ended, by how they ended',
    labels: ['route', 'outcome', 'status_class'],
    read: (reading) => reading.routes.flatMap(requestSamples),
  },
  durations(
    'waybill_proxy_request_duration_seconds',
    "From a request's head to the end of its response",
    (route) => route.durationBuckets,
  ),
  durations(
    'waybill_proxy_upstream_duration_seconds',
    "From sending a request upstream to the head of the upstream's response",
    (route) => route.upstreamBuckets,
  ),
  byRoute(
    'counter',
    'waybill_proxy_received_bytes_total',
    'Body bytes received from clients',
    (route) => route.bytesReceived,
  ),
  byRoute(
    'counter',
    'waybill_proxy_sent_bytes_total',
    'Body bytes sent to clients',
    (route) => route.bytesSent,
  ),
  single('gauge', 'waybill_proxy_in_flight_requests', 'Requests in flight', (r) => r.proxy.inFlight),
  single('gauge', 'waybill_proxy_connections', 'Open client connections', (r) => r.proxy.connections),
  byKey(
    'counter',
    ['waybill_proxy_connections_refused_total', 'cause'],
    'Client connections refused before their first request, by why',
    (r) => r.proxy.refusedConnections,
  ),
  byKey(
    'counter',
    ['waybill_rules_decisions_total', 'action'],
    'Requests that a rule concerned, by what it did or, as a dry run, would have done',
    (r) => r.proxy.ruled,
  ),
  single(
    'gauge',
    'waybill_proxy_upgraded_connections',
    'Open upgraded connections, such as WebSockets',
    (r) => r.proxy.upgradesOpen,
  ),
  byKey(
    'counter',
    ['waybill_limits_refusals_total', 'policy'],
    'Requests refused with 429, by the limit that refused them',
    (r) => r.limits.refusals,
  ),
  single('gauge', 'waybill_limits_buckets', 'Rate buckets in memory', (r) => r.limits.buckets),
  single(
    'gauge',
    'waybill_limits_in_flight_tenants',
    'Tenants with requests in flight',
    (r) => r.limits.inFlightTenants,
  ),
  single(
    'gauge',
    'waybill_limits_held_requests',
    'Requests over a limit that are held',
    (r) => r.limits.holds.held,
  ),
  byKey(
    'counter',
    ['waybill_limits_holds_total', 'result'],
    'Requests that were held, by how they went on',
    (r) => r.limits.holds.ended,
  ),
  single(
    'counter',
    'waybill_limits_hold_seconds_total',
    'How long requests were held, all together',
    (r) => r.limits.holds.seconds,
  ),
  {
    type: 'gauge',
    name: 'waybill_upstream_connections',
    help: 'Open upstream connections',
    labels: ['route', 'state'],
    read: (reading) => reading.pools.flatMap(connectionSamples),
  },
  {
    type: 'gauge',
    name: 'waybill_upstream_queued_requests',
    help: 'Requests waiting for an upstream connection',
    labels: ['route'],
    read: (reading) => reading.pools.map((pool) => ({ value: pool.queued, labels: routeLabel(pool.route) })),
  },
  {
    type: 'gauge',
    name: 'waybill_upstream_addresses',
    help: 'Upstream addresses, by how they are',
    labels: ['route', 'upstream', 'state'],
    read: (reading) => reading.upstreams.flatMap((upstream) => stateSamples(upstream, upstream.states)),
  },
  {
    type: 'counter',
    name: 'waybill_upstream_state_changes_total',
    help: 'Times that an upstream address came into a state',
    labels: ['route', 'upstream', 'state'],
    read: (reading) => reading.upstreams.flatMap((upstream) => stateSamples(upstream, upstream.changes)),
  },
  {
    type: 'counter',
    name: 'waybill_upstream_tokens_total',
    help: 'Tokens that upstreams asked for, by what came of fetching them',
    labels: ['route', 'result'],
    read: (reading) => reading.tokens.flatMap(resultSamples),
  },
  {
    type: 'counter',
    name: 'waybill_upstream_retries_total',
    help: 'Requests that failed and could be sent again, by whether they were',
    labels: ['route', 'result'],
    read: (reading) => reading.retries.flatMap(resultSamples),
  },
]

function durations(name: string, help: string, of: (route: RouteStats) => HistogramReading): Family {
  return {
    type: 'histogram',
    name,
    help,
    labels: ['route'],
    read: (reading) =>
      reading.routes.flatMap((route) => [...histogramSamples(name, routeLabel(route.route), of(route))]),
  }
}

function requestSamples(route: RouteStats): Sample[] {
  const samples: Sample[] = []
  for (const [index, outcome] of OUTCOME_NAMES.entries()) {
    for (const [classIndex, statusClass] of STATUS_CLASSES.entries()) {
      const value = route.outcomes[index * STATUS_CLASSES.length + classIndex] ?? 0
      // A counter that appears only with its first request hides that request from rate(); so the classes that an outcome
      // can have are there from the start, and only those.
      const status = OUTCOMES[outcome].status
      const isExpected = status === 0 || Math.floor(status / 100) === classIndex + 1
      if (value === 0 && !isExpected) continue
      samples.push({ value, labels: { ...routeLabel(route.route), outcome, status_class: statusClass } })
    }
  }
  return samples
}

function resultSamples({ route, results }: TokenStats | RetryStats): Sample[] {
  return Object.entries(results).map(([result, value]) => ({
    value,
    labels: { ...routeLabel(route), result },
  }))
}

function stateSamples({ route, upstream }: UpstreamStats, counts: UpstreamStats['states']): Sample[] {
  return Object.entries(counts).map(([state, value]) => ({
    value,
    labels: { ...routeLabel(route), upstream, state },
  }))
}

function connectionSamples(pool: PoolStats): Sample[] {
  const labels = routeLabel(pool.route)
  return [
    { value: pool.busy, labels: { ...labels, state: 'busy' } },
    { value: pool.idle, labels: { ...labels, state: 'idle' } },
  ]
}
