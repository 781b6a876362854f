import type { AuditGap, AuditGapKind, AuditSummary, InstanceAudit } from '../audit/audit.ts'
import type { PackageUsers } from './package-use.ts'

/** Entries of before Waybill told what requests were about, which `waybill identify` has not looked at yet. */
export interface Unidentified {
  readonly entries: number
  /** False when there are more than were counted. */
  readonly isExact: boolean
  readonly firstAt: Date
  /** Of those that were counted. */
  readonly lastAt: Date
}

/** Days of the window whose entries retention has dropped. */
export interface ExpiredDays {
  readonly days: number
  /** Entries of all tenants, as far as that is known; null for an answer about one tenant: how many were its own is not known. */
  readonly entries: number | null
  /** Start of the first, and end of the last. */
  readonly from: Date
  readonly to: Date
}

/** What an answer rests on: what the log has of the window, and what it has not. */
export interface Coverage {
  /** Null for no bound. */
  readonly since: Date | null
  readonly until: Date | null
  readonly audit: AuditSummary
  /** Whether the audit also counted the rows, or believed the ledger. */
  readonly isCounted: boolean
  readonly missing: MissingEntries
  /** What was accepted by then is settled; null when that was not waited for. */
  readonly settledAt: Date | null
  readonly unidentified: Unidentified | null
  readonly expired: ExpiredDays | null
}

/** Entries that the audit misses. */
export interface MissingEntries {
  /** Of which the number is known. */
  readonly entries: number
  /** At most so many more. */
  readonly atMost: number
  /** Gaps whose size nobody knows. */
  readonly unknown: number
  /** Batches that are there, and not proven to be what was sealed. */
  readonly doubtful: number
}

const DOUBTS: ReadonlySet<AuditGapKind> = new Set(['chain_broken', 'unproven'])
/** Lines that are kept to be shown; `waybill audit` has all. */
const MAX_LINES = 20

/** Sums up what the audits of instances miss. */
export class MissingSum {
  #entries = 0
  #atMost = 0
  #unknown = 0
  #doubtful = 0
  readonly lines: string[] = []

  add({ gaps, gapsOmitted }: Pick<InstanceAudit, 'gaps' | 'gapsOmitted'>): void {
    for (const gap of gaps) this.#addGap(gap)
    this.#unknown += gapsOmitted
  }

  #addGap({ kind, entries, entriesAtMost, line }: AuditGap): void {
    if (this.lines.length < MAX_LINES) this.lines.push(line)
    if (DOUBTS.has(kind)) this.#doubtful++
    else if (entries !== null) this.#entries += entries
    else if (entriesAtMost !== null) this.#atMost += entriesAtMost
    else this.#unknown++
  }

  get sum(): MissingEntries {
    return { entries: this.#entries, atMost: this.#atMost, unknown: this.#unknown, doubtful: this.#doubtful }
  }
}

/**
 * How far an answer can be relied on. `complete`: every request of the window was looked at. `so_far`: nothing is missing, but not all of it
 * could be looked at. `gaps`: something is missing.
 */
export type CoverageState = 'complete' | 'so_far' | 'gaps'

/** The state of an answer, and why it is no better. */
export interface CoverageStatement {
  readonly state: CoverageState
  /** What is missing; empty unless the state is `gaps`. */
  readonly missing: readonly string[]
  /** What could not be looked at. */
  readonly unseen: readonly string[]
}

/** States what an answer rests on. */
export function coverageStatement(coverage: Coverage, users: PackageUsers): CoverageStatement {
  const missing = [...missingWords(coverage), ...unidentifiedWords(coverage), ...cutWords(users)]
  const unseen = [...unseenWords(coverage), ...unknownWords(users)]
  return { state: missing.length > 0 ? 'gaps' : unseen.length > 0 ? 'so_far' : 'complete', missing, unseen }
}

function missingWords({ audit, missing }: Coverage): string[] {
  const { batches, total, isCutByFold, gapCount } = audit
  if (gapCount === 0) {
    const isNothing = batches === 0 && total.accepted === 0 && !isCutByFold
    return isNothing
      ? ['no entry was accepted in that time: is it the right database, window and tenant?']
      : []
  }
  const { entries, atMost, unknown, doubtful } = missing
  const words: string[] = []
  if (entries > 0)
    words.push(`${counted(entries, 'entry', 'entries')} ${entries === 1 ? 'is' : 'are'} missing`)
  if (atMost > 0)
    words.push(`at most ${counted(atMost, 'entry was', 'entries were')} lost when a gateway died`)
  if (unknown > 0) words.push(`${counted(unknown, 'gap', 'gaps')} of unknown size`)
  if (doubtful > 0)
    words.push(`${counted(doubtful, 'batch is', 'batches are')} not proven to be what was sealed`)
  return words.length === 0 ? [counted(gapCount, 'gap', 'gaps')] : words
}

function unidentifiedWords({ unidentified }: Coverage): string[] {
  if (unidentified === null) return []
  const { entries, isExact, firstAt, lastAt } = unidentified
  const many = `${isExact ? '' : 'more than '}${counted(entries, 'entry is', 'entries are')}`
  const to = isExact ? ` to ${lastAt.toISOString()}` : ' on'
  return [
    `${many} not identified yet, from ${firstAt.toISOString()}${to}: waybill identify --since ${dayOf(firstAt)}`,
  ]
}

function cutWords({ users, userCount, isCut }: PackageUsers): string[] {
  if (isCut) return ['there are more versions than can be looked at: ask for less time, or one tenant']
  if (userCount <= users.length) return []
  return [
    `only the first ${users.length} of ${userCount} lines are listed: ask for less time, one tenant or one route`,
  ]
}

function unseenWords({ audit, settledAt, expired, since }: Coverage): string[] {
  const words: string[] = []
  const { settledTo, isCutByFold, batchesSince } = audit
  if (settledTo !== null && (settledAt === null || settledTo < settledAt))
    words.push(`what live gateways accepted since ${settledTo.toISOString()} (--settle 10s waits for it)`)
  if (isCutByFold) words.push(`batches before ${batchesSince?.toISOString()}, which are known in sum only`)
  // Without --since the window begins with what is kept.
  if (expired !== null && since !== null) {
    const { days, entries, from, to } = expired
    const what = entries === null ? 'the entries' : counted(entries, 'entry', 'entries')
    words.push(
      `${what} of ${counted(days, 'day', 'days')} from ${dayOf(from)} until ${dayOf(to)}, which have expired`,
    )
  }
  return words
}

function unknownWords({ unversioned, incomparable, incomparableVersions }: PackageUsers): string[] {
  const words: string[] = []
  if (unversioned > 0)
    words.push(
      `${counted(unversioned, 'download or upload', 'downloads or uploads')} of it whose version or qualifier the path does not tell`,
    )
  if (incomparable > 0) {
    const { values, more } = incomparableVersions
    const listed = values.join(', ') + (more > 0 ? ` and ${more} more` : '')
    words.push(
      `${counted(incomparable, 'download or upload', 'downloads or uploads')} in versions that cannot be compared: ${listed}`,
    )
  }
  return words
}

function counted(n: number, one: string, many: string): string {
  return `${n} ${n === 1 ? one : many}`
}

function dayOf(time: Date): string {
  return time.toISOString().slice(0, 10)
}

/** Who had it, in a few words: "nobody downloaded it", "3 keys of 2 tenants downloaded it, 1 more only in part". */
export function answerOf({ users }: PackageUsers): string {
  const keysOf = (...uses: string[]): Set<string> =>
    new Set(
      users
        .filter(({ use }) => uses.includes(use))
        .map(({ tenant, keyId }) => `${tenant ?? ''} ${keyId ?? ''}`),
    )
  const whole = keysOf('download')
  const part = [...keysOf('partial', 'redirected', 'unchanged')].filter((key) => !whole.has(key))
  const tenants = new Set([...whole].map((key) => key.split(' ', 1)[0]))
  const had =
    whole.size === 0
      ? 'nobody downloaded it'
      : `${counted(whole.size, 'key', 'keys')} of ${counted(tenants.size, 'tenant', 'tenants')} downloaded it`
  if (part.length === 0) return had
  const others = `${part.length}${whole.size === 0 ? '' : ' more'} may have it`
  return `${had}${whole.size === 0 ? ' whole' : ''}, ${others} (in part, by a redirect, or from before)`
}
