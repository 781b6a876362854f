import type { ContactReading } from '../lib/database-contact.ts'
import type { Exemplar, HistogramReading } from '../lib/histogram.ts'
import type {
  ChannelStats,
  DeliveryStats,
  IdempotencyStats,
  DirectoryStats,
  LedgerStats,
  LimitsStats,
  PoolStats,
  ProxyStats,
  RouteStats,
  RetryStats,
  TokenStats,
  TraceStats,
  UpstreamStats,
  VitalsStats,
  WriterStats,
} from '../model/stats.ts'

/** Everything a scrape reports, read in one go so that the numbers of one scrape agree with each other. */
export interface Reading {
  readonly proxy: ProxyStats
  readonly routes: readonly RouteStats[]
  readonly limits: LimitsStats
  readonly channel: ChannelStats
  readonly totals: LedgerStats['totals']
  readonly writer: WriterStats
  readonly vitals: VitalsStats
  readonly directory: DirectoryStats
  readonly database: ContactReading
  readonly pools: readonly PoolStats[]
  readonly upstreams: readonly UpstreamStats[]
  readonly tokens: readonly TokenStats[]
  readonly retries: readonly RetryStats[]
  readonly deliveries: DeliveryStats | null
  readonly idempotency: IdempotencyStats | null
  readonly traces: TraceStats | null
  /** Tenants by label, at most as many as the option allows, the others summed up. */
  readonly tenants: ReadonlyMap<string, TenantCounts>
  readonly droppedLogLines: number
  readonly version: string
}

/** Counts of one tenant, or of all without a label of their own. */
export interface TenantCounts {
  readonly requests: number
  readonly dropped: number
}

export type Labels = Readonly<Record<string, string>>

/** One line of the exposition. */
export interface Sample {
  readonly value: number
  readonly labels: Labels
  /** The family's name with a suffix, for histograms. */
  readonly metricName?: string
  /** Of a bucket: told in OpenMetrics alone. */
  readonly exemplar?: SampleExemplar
}

/** As prom-client writes it: `timestamp` in epoch seconds. */
export interface SampleExemplar {
  readonly labelSet: Labels
  readonly value: number
  readonly timestamp: number
}

/**
 * How the values of several workers become the gateway's. `parallel` is for times that a common room lasts: half as long
 * with two that use it up alike.
 */
export type Merge = 'sum' | 'max' | 'min' | 'parallel'

/** One metric family: what `# HELP`, `# TYPE` and the lines below say. */
export interface Family {
  readonly name: string
  readonly type: 'counter' | 'gauge' | 'histogram'
  readonly help: string
  /** Label names, `le` of a histogram not included. */
  readonly labels: readonly string[]
  readonly read: (reading: Reading) => Iterable<Sample>
  /** `sum` where it is left out: right for all that is counted. */
  readonly merge?: Merge
}

/** A family as one worker tells it to the primary. */
export interface FamilySamples {
  readonly name: string
  readonly type: string
  readonly help: string
  /** A `Merge`, or prom-client's word for its own families. */
  readonly merge: string
  readonly values: readonly Sample[]
}

/** Stands for a route or tenant that there is none of: slugs have no underscore, and an empty label means "absent". */
export const NONE_LABEL = '__none__'

/** Stands for all tenants without a label of their own. */
export const OTHER_LABEL = '__other__'

/** A family of one value without labels; null reports nothing. */
export function single(
  type: 'counter' | 'gauge',
  name: string,
  help: string,
  read: (reading: Reading) => number | null,
  merge: Merge = 'sum',
): Family {
  return {
    type,
    name,
    help,
    merge,
    labels: [],
    read: (reading) => {
      const value = read(reading)
      return value === null ? [] : [{ value, labels: {} }]
    },
  }
}

/** A family whose one label takes the keys of a record. */
export function byKey(
  type: 'counter' | 'gauge',
  [name, label]: readonly [name: string, label: string],
  help: string,
  read: (reading: Reading) => Readonly<Record<string, number>>,
  merge: Merge = 'sum',
): Family {
  return {
    type,
    name,
    help,
    merge,
    labels: [label],
    read: (reading) =>
      Object.entries(read(reading)).map(([key, value]) => ({ value, labels: { [label]: key } })),
  }
}

/** A family with one value for each route. */
export function byRoute(
  type: 'counter' | 'gauge',
  name: string,
  help: string,
  read: (route: RouteStats) => number,
): Family {
  const sample = (route: RouteStats): Sample => ({ value: read(route), labels: routeLabel(route.route) })
  return { type, name, help, labels: ['route'], read: (reading) => reading.routes.map(sample) }
}

/** A figure of what one process of a gateway looks at: the primary, where there are workers. */
export interface LookedAt<T> {
  /** A gauge unless told. */
  readonly isCounter?: boolean
  readonly name: string
  readonly help: string
  readonly labels: readonly string[]
  readonly read: (found: T) => readonly Sample[]
}

/** What it is, and how what several processes say of it becomes one. */
function kindOf(isCounter: boolean): { readonly type: 'counter' | 'gauge'; readonly merge: Merge } {
  return isCounter ? { type: 'counter', merge: 'sum' } : { type: 'gauge', merge: 'max' }
}

/** The families of a process that looks itself; they are empty while `foundIn` has null. */
export function lookedAtFamilies<T>(
  figures: readonly LookedAt<T>[],
  foundIn: (reading: Reading) => T | null,
): Family[] {
  return figures.map(({ read, isCounter = false, name, help, labels }) => ({
    ...kindOf(isCounter),
    name,
    help,
    labels,
    read: (reading) => {
      const found = foundIn(reading)
      return found === null ? [] : read(found)
    },
  }))
}

/** The same of a primary, which looks for its workers. */
export function lookedAtSamples<T>(figures: readonly LookedAt<T>[], found: T | null): FamilySamples[] {
  return figures.map(({ name, help, read, isCounter = false }) => ({
    ...kindOf(isCounter),
    name,
    help,
    values: found === null ? [] : read(found),
  }))
}

/** The label of a route; requests that matched none have one too. */
export function routeLabel(route: string): { route: string } {
  return { route: route === '' ? NONE_LABEL : route }
}

/**
 * The lines of one histogram: cumulative buckets, sum and count (Prometheus exposition format 0.0.4). prom-client's own
 * Histogram can only observe; its registry, though, prints whatever `get()` returns, so the counts are kept elsewhere.
 */
export function* histogramSamples(
  name: string,
  labels: Labels,
  reading: HistogramReading,
): Generator<Sample> {
  let count = 0
  for (const [index, inBucket] of reading.counts.entries()) {
    count += inBucket
    const le = reading.boundsSeconds[index]
    const labelsWithLe = { ...labels, le: le === undefined ? '+Inf' : String(le) }
    const exemplar = reading.exemplars?.get(index)
    const told = exemplar === undefined ? {} : { exemplar: sampleExemplar(exemplar) }
    yield { metricName: `${name}_bucket`, labels: labelsWithLe, value: count, ...told }
  }
  yield { metricName: `${name}_sum`, labels, value: reading.sumSeconds }
  yield { metricName: `${name}_count`, labels, value: count }
}

function sampleExemplar({ traceId, spanId, seconds, atMs }: Exemplar): SampleExemplar {
  // OpenTelemetry's names: "Prometheus and OpenMetrics Compatibility", Exemplars.
  return { labelSet: { trace_id: traceId, span_id: spanId }, value: seconds, timestamp: atMs / 1000 }
}
