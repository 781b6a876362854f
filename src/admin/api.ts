import type { EntryCursor } from '../store/entries.ts'
import type { UsageRow } from '../store/usage.ts'
import {
  LIMIT,
  METHOD,
  OUTCOME,
  PATH_PREFIX,
  SLUG,
  STATUS,
  TIME,
  readParameters,
  type Parameter,
} from './parameters.ts'
import { ParameterError } from './problem.ts'
import type { AdminQueries } from './queries.ts'

/** Answers one path under /api/ with a value for JSON. `signal` fires when nobody waits for the answer any more. */
export type ApiHandler = (query: URLSearchParams, signal: AbortSignal) => Promise<unknown>

const DEFAULT_LIMIT = 100
const DAY_MS = 86_400_000
const USAGE_DEFAULT_DAYS = 30
const USAGE_MAX_DAYS = 366
/** Beyond, the answer says that it is cut; the CLI streams all of it. */
const USAGE_MAX_ROWS = 10_000

/** The endpoints that read the database, by path. */
export function apiHandlers(queries: AdminQueries): ReadonlyMap<string, ApiHandler> {
  return new Map<string, ApiHandler>([
    ['/api/entries', (query) => entries(queries, query)],
    ['/api/tenants', (query) => tenants(queries, query)],
    ['/api/usage', (query, signal) => usage(queries, query, signal)],
  ])
}

async function entries(queries: AdminQueries, query: URLSearchParams): Promise<unknown> {
  const cursor: Parameter<EntryCursor> = {
    form: 'the "next" of an earlier answer',
    parse: (text) => queries.parseCursor(text),
  }
  const given = readParameters(query, {
    tenant: SLUG,
    route: SLUG,
    status: STATUS,
    outcome: OUTCOME,
    method: METHOD,
    path: PATH_PREFIX,
    since: TIME,
    until: TIME,
    limit: LIMIT,
    cursor,
  })
  const { limit = DEFAULT_LIMIT, cursor: before = null, path, ...filter } = given
  requireOrder(given.since, given.until)
  return queries.entries(path === undefined ? filter : { ...filter, pathPrefix: path }, limit, before)
}

async function tenants(queries: AdminQueries, query: URLSearchParams): Promise<unknown> {
  const { after = '', limit = DEFAULT_LIMIT } = readParameters(query, { after: SLUG, limit: LIMIT })
  // One more than asked for tells whether there is another page.
  const rows = await queries.tenants(after, limit + 1)
  const page = rows.slice(0, limit)
  return { tenants: page, next: rows.length > limit ? (page.at(-1)?.slug ?? null) : null }
}

async function usage(queries: AdminQueries, query: URLSearchParams, signal: AbortSignal): Promise<unknown> {
  const given = readParameters(query, { tenant: SLUG, since: TIME, until: TIME })
  const until = given.until ?? new Date()
  const since = given.since ?? new Date(until.getTime() - USAGE_DEFAULT_DAYS * DAY_MS)
  requireOrder(since, until)
  if (until.getTime() - since.getTime() > USAGE_MAX_DAYS * DAY_MS) {
    throw new ParameterError([
      { parameter: 'since', detail: `must be at most ${USAGE_MAX_DAYS} days before until` },
    ])
  }
  const rows: UsageRow[] = []
  const filter = { ...(given.tenant === undefined ? {} : { tenant: given.tenant }), since, until }
  for await (const chunk of queries.usage(filter)) {
    signal.throwIfAborted()
    rows.push(...chunk.slice(0, USAGE_MAX_ROWS + 1 - rows.length))
    if (rows.length > USAGE_MAX_ROWS) break
  }
  return { since, until, usage: rows.slice(0, USAGE_MAX_ROWS), isTruncated: rows.length > USAGE_MAX_ROWS }
}

function requireOrder(since: Date | undefined, until: Date | undefined): void {
  if (since !== undefined && until !== undefined && since >= until) {
    throw new ParameterError([{ parameter: 'since', detail: 'must be before until' }])
  }
}
