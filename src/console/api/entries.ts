import { boundsOf, type Filter, type Range, rangeAround, searchOf } from '../words/filter.ts'
import { get } from './client.ts'

/** A row of the access log, as the API gives it. */
export interface Entry {
  readonly id: string
  readonly started_at: string
  readonly tenant: string | null
  readonly key_id: string | null
  readonly route: string | null
  readonly kind: string | null
  readonly method: string | null
  readonly host: string | null
  readonly path: string | null
  readonly status: number
  readonly outcome: string
  readonly reason: string | null
  readonly bytes_received: number | string
  readonly bytes_sent: number | string
  readonly duration_us: number | string
  readonly upstream_us: number | string | null
  readonly upstream: string | null
  readonly client_ip: string | null
  readonly user_agent: string | null
  readonly request_id: string | null
  readonly trace_id: string | null
  readonly ecosystem: string | null
  readonly package: string | null
  readonly version: string | null
  readonly purl: string | null
  readonly artifactKind: string | null
  readonly upstreamLimit: string | null
  readonly ruleId: string | null
  readonly ruleAction: string | null
  readonly heldMs: number | null
  readonly instance: string
  /** Null for a tenant. */
  readonly seq: number | string | null
}

/** A page of a list; `next` is the cursor of the one after it. */
export interface Page<T> {
  readonly items: readonly T[]
  readonly next: string | null
}

const PAGE_SIZE = 200

/** A page of entries, newest first. */
export async function getEntries(
  filter: Filter,
  range: Range,
  place: { readonly cursor: string | null; readonly signal: AbortSignal; readonly limit?: number },
): Promise<Page<Entry>> {
  const query = searchOf(filter, range)
  query.set('limit', String(place.limit ?? PAGE_SIZE))
  if (place.cursor !== null) query.set('cursor', place.cursor)
  return await get(`/api/v1/entries?${query}`, { signal: place.signal })
}

/** A request's entries, newest first, and what was around it. */
export interface FoundEntries {
  readonly items: readonly Entry[]
  readonly sameTrace: readonly Entry[]
  readonly sameClient: readonly Entry[]
}

/** How far from its start a request is looked for, where that is known: of a day's rows, not of all. */
const AROUND_MS = 60_000

/** The entries of a request, near a moment where it is known. */
export function findRequest(
  requestId: string,
  at: string | null,
  signal: AbortSignal,
): Promise<FoundEntries> {
  const atMs = Date.parse(at ?? '')
  const query = searchOf({}, Number.isNaN(atMs) ? null : rangeAround(atMs, AROUND_MS))
  return get(`/api/v1/entries/${encodeURIComponent(requestId)}?${query}`, { signal })
}

/** A window as moments: pages of one list shall be of one window, although `1h` moves on. */
export function fixedRange(range: Range, now: Date): Range {
  const { from, to } = boundsOf(range, now)
  return { since: from.toISOString(), until: range.until === '' ? '' : to.toISOString() }
}
