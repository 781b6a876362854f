/**
 * What requests can be searched by, in the order in which it is shown. The names are those of the API's parameters; of those
 * that are single, it takes one value.
 */
export const FILTER_FIELDS = [
  { name: 'tenant', label: 'Tenant', flag: '--tenant', isSingle: false },
  { name: 'route', label: 'Route', flag: '--route', isSingle: false },
  { name: 'status', label: 'Status', flag: '--status', isSingle: false },
  { name: 'outcome', label: 'Outcome', flag: '--outcome', isSingle: false },
  { name: 'reason', label: 'Reason', flag: null, isSingle: false },
  { name: 'method', label: 'Method', flag: '--method', isSingle: false },
  { name: 'key', label: 'Key', flag: '--key', isSingle: false },
  { name: 'package', label: 'Package', flag: '--package', isSingle: true },
  { name: 'artifactKind', label: 'Artifact', flag: '--artifact-kind', isSingle: false },
  { name: 'path', label: 'Path begins with', flag: '--path', isSingle: true },
  { name: 'address', label: 'Address', flag: '--ip', isSingle: true },
  { name: 'requestId', label: 'Request id', flag: '--request-id', isSingle: true },
  { name: 'traceId', label: 'Trace id', flag: '--trace-id', isSingle: true },
  { name: 'slowerThan', label: 'Slower than', flag: '--slower', isSingle: true },
] as const

export type FilterName = (typeof FILTER_FIELDS)[number]['name']

/** Values by name; several of one name mean "one of". */
export type Filter = Readonly<Partial<Record<FilterName, readonly string[]>>>

/** A window of time as it stands in an address: durations before now (`1h`), or moments. */
export interface Range {
  readonly since: string
  /** '' for now. */
  readonly until: string
}

export const DEFAULT_RANGE: Range = { since: '1h', until: '' }

/** The filter that an address bears; parameters of other names are left alone. */
export function readFilter(query: URLSearchParams): Filter {
  const filter: Partial<Record<FilterName, readonly string[]>> = {}
  for (const { name } of FILTER_FIELDS) {
    const values = query.getAll(name).filter((value) => value !== '')
    if (values.length > 0) filter[name] = [...new Set(values)]
  }
  return filter
}

/** The window that an address bears. One without a beginning is an hour long. */
export function readRange(query: URLSearchParams, fallback = DEFAULT_RANGE): Range {
  const since = query.get('since') ?? ''
  const until = query.get('until') ?? ''
  if (since !== '') return { since, until }
  return until === '' ? fallback : { since: hourBefore(until), until }
}

const HOUR_MS = 3_600_000

/** An hour before a duration or a moment; of a text that is neither, the text: the gateway says what is wrong with it. */
function hourBefore(text: string): string {
  const ago = durationMs(text)
  if (ago !== null) return `${ago + HOUR_MS}ms`
  const atMs = Date.parse(text)
  return Number.isNaN(atMs) ? text : new Date(atMs - HOUR_MS).toISOString()
}

/** The parameters of a filter and a window, in one order for the same search. */
export function searchOf(filter: Filter, range: Range | null): URLSearchParams {
  const query = new URLSearchParams()
  for (const { name } of FILTER_FIELDS) {
    for (const value of filter[name] ?? []) query.append(name, value)
  }
  if (range !== null && range.since !== '') query.set('since', range.since)
  if (range !== null && range.until !== '') query.set('until', range.until)
  return query
}

/** The filter with a value more, or without it where it was there. */
export function toggled(filter: Filter, name: FilterName, value: string): Filter {
  const old = filter[name] ?? []
  const values = old.includes(value) ? old.filter((one) => one !== value) : [...old, value]
  return withValues(filter, name, values)
}

/** The filter with these values of a name; with none, without it. */
export function withValues(filter: Filter, name: FilterName, values: readonly string[]): Filter {
  const { [name]: _old, ...others } = filter
  return values.length === 0 ? others : { ...others, [name]: values }
}

/** How many conditions a filter has. */
export function sizeOf(filter: Filter): number {
  return FILTER_FIELDS.filter(({ name }) => filter[name] !== undefined).length
}

/** As the gateway takes durations. */
const UNITS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
}

/** The length of a duration such as 15m; null for a text that is none. */
export function durationMs(text: string): number | null {
  const [, n, unit = ''] = /^(\d{1,12})(ms|[smhdw])$/.exec(text) ?? []
  return n === undefined ? null : Number(n) * (UNITS[unit] ?? 0)
}

/** The window from so long before a moment to so long after it. */
export function rangeAround(atMs: number, aroundMs: number): Range {
  return {
    since: new Date(atMs - aroundMs).toISOString(),
    until: new Date(atMs + aroundMs).toISOString(),
  }
}

/** The moments of a window at `now`. */
export function boundsOf(range: Range, now: Date): { readonly from: Date; readonly to: Date } {
  const at = (text: string, fallback: Date): Date => {
    const ago = durationMs(text)
    if (ago !== null) return new Date(now.getTime() - ago)
    const time = new Date(text)
    return Number.isNaN(time.getTime()) ? fallback : time
  }
  const to = at(range.until, now)
  return { from: at(range.since, new Date(to.getTime() - HOUR_MS)), to }
}
