import { AuditSum, type AuditGap } from '../model/audit/audit.ts'
import { TimeZone } from '../model/time-zone.ts'
import type { EntryCursor } from '../store/entries/entries.ts'
import type { UsageRow } from '../store/entries/usage.ts'
import { entryFilterOf, entryParameters } from './entry-parameters.ts'
import { LIMIT, SLUG, readParameters, type Parameter } from './parameters.ts'
import type { AdminQueries } from './queries.ts'
import { who } from './who.ts'
import { nowOf, readWindow, requireOrder } from './window.ts'

/** Answers one path under /api/ with a value for JSON. `signal` fires when nobody waits for the answer any more. */
export type ApiHandler = (query: URLSearchParams, signal: AbortSignal) => Promise<unknown>

const DEFAULT_LIMIT = 100
const USAGE_DEFAULT_DAYS = 30
const USAGE_MAX_DAYS = 366
/** Beyond, the answer says that it is cut; the CLI streams all of it. */
const USAGE_MAX_ROWS = 10_000
const AUDIT_DEFAULT_DAYS = 1
/** A day of 50 million entries is audited in seconds; the CLI does any window. */
const AUDIT_MAX_DAYS = 7
/** Beyond, the answer says that it is cut. */
const AUDIT_MAX_GAPS = 1000
const AUDIT_MAX_INSTANCES = 1000

/** The endpoints that read the database, by path. */
export function apiHandlers(queries: AdminQueries): ReadonlyMap<string, ApiHandler> {
  return new Map<string, ApiHandler>([
    ['/api/entries', (query) => entries(queries, query)],
    ['/api/tenants', (query) => tenants(queries, query)],
    ['/api/usage', (query, signal) => usage(queries, query, signal)],
    ['/api/audit', (query, signal) => audit(queries, query, signal)],
    ['/api/who', (query, signal) => who(queries, query, signal)],
  ])
}

async function entries(queries: AdminQueries, query: URLSearchParams): Promise<unknown> {
  const cursor: Parameter<EntryCursor> = {
    form: 'the "next" of an earlier answer',
    parse: (text) => queries.parseCursor(text),
  }
  const nowMs = query.has('since') || query.has('until') ? await nowOf(queries) : Date.now()
  const given = readParameters(query, { ...entryParameters(nowMs), limit: LIMIT, cursor })
  const { limit = DEFAULT_LIMIT, cursor: before = null, ...filter } = given
  requireOrder(given.since, given.until)
  return queries.entries(entryFilterOf(filter), limit, before)
}

async function tenants(queries: AdminQueries, query: URLSearchParams): Promise<unknown> {
  const { after = '', limit = DEFAULT_LIMIT } = readParameters(query, { after: SLUG, limit: LIMIT })
  // One more than asked for tells whether there is another page.
  const rows = await queries.tenants(after, limit + 1)
  const page = rows.slice(0, limit)
  return { tenants: page, next: rows.length > limit ? (page.at(-1)?.slug ?? null) : null }
}

async function usage(queries: AdminQueries, query: URLSearchParams, signal: AbortSignal): Promise<unknown> {
  // A value that is none is refused together with the other problems.
  const timeZone = TimeZone.named(query.get('timezone') ?? 'UTC') ?? TimeZone.UTC
  const window = readWindow(query, await nowOf(queries), {
    defaultDays: USAGE_DEFAULT_DAYS,
    maxDays: USAGE_MAX_DAYS,
    timeZone,
  })
  const filter = { ...window, timeZone }
  const { since, until } = filter
  const rows: UsageRow[] = []
  for await (const chunk of queries.usage(filter)) {
    signal.throwIfAborted()
    rows.push(...chunk.slice(0, USAGE_MAX_ROWS + 1 - rows.length))
    if (rows.length > USAGE_MAX_ROWS) break
  }
  const isTruncated = rows.length > USAGE_MAX_ROWS
  return { since, until, timezone: timeZone.name, usage: rows.slice(0, USAGE_MAX_ROWS), isTruncated }
}

/** Exactly the figures of `waybill audit`, for a window of days. `isComplete` and the sums cover all, the lists may be cut. */
async function audit(queries: AdminQueries, query: URLSearchParams, signal: AbortSignal): Promise<unknown> {
  const filter = readWindow(query, await nowOf(queries), {
    defaultDays: AUDIT_DEFAULT_DAYS,
    maxDays: AUDIT_MAX_DAYS,
  })
  const sum = new AuditSum()
  const instances: unknown[] = []
  const gaps: AuditGap[] = []
  for await (const one of queries.audit(filter, signal)) {
    signal.throwIfAborted()
    sum.add(one)
    const { instance, state, batches, accounts, waiting } = one
    if (instances.length < AUDIT_MAX_INSTANCES)
      instances.push({ ...instance, state, batches, waiting, accounts })
    gaps.push(...one.gaps.slice(0, AUDIT_MAX_GAPS - gaps.length))
  }
  const { summary } = sum
  const isTruncated = summary.gapCount > gaps.length || summary.instanceCount > instances.length
  return { ...filter, ...summary, instances, gaps, isTruncated }
}
