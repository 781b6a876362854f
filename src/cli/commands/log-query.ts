import { didYouMean } from '../../lib/near-name.ts'
import { ARTIFACT_KINDS } from '../../model/artifact/identity.ts'
import { ENTRY_OUTCOMES } from '../../model/canary.ts'
import { DURATION_FORM, parseDurationMs } from '../../model/duration.ts'
import type { EntryFilter } from '../../store/entries/entries.ts'
import { readFormat, type FormatFlags } from '../flags.ts'
import type { Format } from '../output/listing.ts'
import type { Problems } from '../problems.ts'

/** The flags of `waybill logs`. */
export interface LogFlags extends FormatFlags {
  readonly tenant?: string
  readonly route?: string
  readonly key?: string
  readonly since?: string
  readonly until?: string
  readonly status?: string
  readonly outcome?: string
  readonly method?: string
  readonly path?: string
  readonly ip?: string
  readonly requestId?: string
  readonly traceId?: string
  readonly slower?: string
  readonly rule?: string
  readonly package?: string
  readonly artifactKind?: string
  readonly packages?: boolean
  readonly limit?: string
  readonly follow?: boolean
}

/** What `waybill logs` is asked for. */
export interface LogQuery {
  readonly filter: EntryFilter
  readonly format: Format
  /** The newest so many; null for all. At most `MAX_LIMIT`: they are held to be printed oldest first. */
  readonly limit: number | null
  readonly isFollowing: boolean
  /** True when the full key was given in place of its id. */
  readonly isWholeKey: boolean
}

const STATUS_CLASSES = ['1xx', '2xx', '3xx', '4xx', '5xx']
const DEFAULT_TABLE_LIMIT = 100
const MAX_LIMIT = 10_000

/** Reads the flags; collects what is wrong with them. */
export function readLogQuery(flags: LogFlags, nowMs: number, problems: Problems): LogQuery {
  const key = flags.key === undefined ? null : problems.keyId('--key', flags.key)
  const format = readFormat(flags, problems)
  const isFollowing = flags.follow === true
  if (isFollowing && format === 'json') {
    problems.add('--json is one document and --follow never ends: use --format ndjson')
  }
  if (isFollowing && flags.until !== undefined) problems.add('--until contradicts --follow')
  if (isFollowing && flags.limit !== undefined) problems.add('--limit contradicts --follow: use --since')
  const filter: EntryFilter = {
    ...(flags.tenant === undefined ? {} : { tenant: problems.slug('--tenant', flags.tenant) }),
    ...(flags.route === undefined ? {} : { route: problems.slug('--route', flags.route) }),
    ...(key === null ? {} : { keyId: key.id }),
    ...requestFilter(flags, problems),
    ...timeFilter(flags, nowMs, problems),
  }
  return {
    filter,
    format,
    isFollowing,
    isWholeKey: key?.isWholeKey === true,
    limit: limit(flags, format, problems),
  }
}

function requestFilter(flags: LogFlags, problems: Problems): Partial<EntryFilter> {
  const status = flags.status?.toLowerCase()
  if (status !== undefined && !/^[1-5](\d\d|xx)$/.test(status)) {
    problems.add(
      `--status: ${JSON.stringify(flags.status?.slice(0, 80))} is neither a status (404) nor a class (5xx)${didYouMean(status, STATUS_CLASSES)}`,
    )
  }
  const method = flags.method?.toUpperCase()
  if (method !== undefined && !/^[A-Z-]{1,32}$/.test(method))
    problems.add('--method: must be a method such as GET')
  if (flags.path !== undefined && !flags.path.startsWith('/')) {
    problems.add('--path: must be the beginning of a path, starting with /')
  }
  const outcome =
    flags.outcome === undefined ? undefined : problems.choice('--outcome', flags.outcome, ENTRY_OUTCOMES)
  return {
    ...(status === undefined ? {} : { status }),
    ...(outcome === undefined ? {} : { outcome }),
    ...(method === undefined ? {} : { method }),
    ...(flags.path === undefined ? {} : { pathPrefix: flags.path }),
    ...(flags.ip === undefined ? {} : { clientIp: problems.network('--ip', flags.ip) }),
    ...(flags.requestId === undefined ? {} : { requestId: flags.requestId }),
    ...(flags.traceId === undefined ? {} : { traceId: traceId(flags.traceId, problems) }),
    ...(flags.slower === undefined ? {} : { slowerThanUs: slowerThanUs(flags.slower, problems) }),
    ...(flags.rule === undefined ? {} : { ruleId: ruleId(flags.rule, problems) }),
    ...artifactFilter(flags, problems),
  }
}

function artifactFilter(flags: LogFlags, problems: Problems): Partial<EntryFilter> {
  const { package: name, artifactKind: kind } = flags
  if (name === '') problems.add('--package: must be the name of a package')
  if (name !== undefined && /^pkg:/i.test(name)) {
    problems.add('--package: must be a name such as left-pad; for package URLs there is waybill who')
  }
  const artifactKind =
    kind === undefined ? undefined : problems.choice('--artifact-kind', kind, ARTIFACT_KINDS)
  return {
    ...(name === undefined ? {} : { package: name }),
    ...(artifactKind === undefined ? {} : { artifactKind }),
  }
}

function timeFilter(flags: LogFlags, nowMs: number, problems: Problems): { since?: Date; until?: Date } {
  const since = flags.since === undefined ? undefined : problems.time('--since', flags.since, nowMs)
  const until = flags.until === undefined ? undefined : problems.time('--until', flags.until, nowMs)
  if (since !== undefined && until !== undefined && since >= until) {
    problems.add('--since must be before --until')
  }
  return { ...(since === undefined ? {} : { since }), ...(until === undefined ? {} : { until }) }
}

/** A person at a table wants the end of the log; a program that asks for rows wants them all. */
function limit(flags: LogFlags, format: Format, problems: Problems): number | null {
  if (flags.limit === 'all') return null
  if (flags.limit !== undefined) return problems.integer('--limit', flags.limit, 1, MAX_LIMIT)
  return format === 'table' ? DEFAULT_TABLE_LIMIT : null
}

/** W3C Trace Context §3.2.2.3. */
function traceId(text: string, problems: Problems): string {
  if (!/^[0-9a-f]{32}$/.test(text)) problems.add('--trace-id: must be 32 characters of 0-9 and a-f')
  return text
}

function ruleId(text: string, problems: Problems): string {
  if (!/^r[0-9a-f]{16}$/.test(text)) problems.add('--rule: must be the id of a rule: r and 16 of 0-9 and a-f')
  return text
}

function slowerThanUs(text: string, problems: Problems): number {
  const ms = parseDurationMs(text)
  if (ms === null)
    problems.add(`--slower: ${JSON.stringify(text.slice(0, 80))} is not a duration: ${DURATION_FORM}`)
  return (ms ?? 0) * 1000
}
