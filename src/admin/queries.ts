import { ARTIFACT_ROUTE_KINDS, PURL_TYPES } from '../artifacts/purl-types.ts'
import type { Coverage } from '../model/artifact/coverage.ts'
import type { PackageMatcher } from '../model/artifact/package-matcher.ts'
import type { PackageUsers } from '../model/artifact/package-use.ts'
import { shownEntry, type ShownEntry } from '../artifacts/identify/shown-entry.ts'
import type { InstanceAudit } from '../model/audit/audit.ts'
import { auditInstances } from '../store/audit/audit.ts'
import {
  decodeCursor,
  encodeCursor,
  listEntries,
  type EntryCursor,
  type EntryFilter,
} from '../store/entries/entries.ts'
import { readClock } from '../store/entries/retention.ts'
import { readCoverage } from '../store/packages/package-coverage.ts'
import { findPackageUsers, type UsersFilter } from '../store/packages/package-users.ts'
import type { Sql } from '../store/sql.ts'
import { listTenants, type Tenant } from '../store/directory/tenants.ts'
import { usageByDay, type UsageFilter, type UsageRow } from '../store/entries/usage.ts'

/** A page of entries; `next` is the cursor of the page after it. */
export interface EntryPage {
  readonly entries: readonly ShownEntry[]
  readonly next: string | null
}

/** What the admin listener asks of the database. All reject while it is away. */
export interface AdminQueries {
  /** The database's time, which entries go by, epoch milliseconds. */
  nowMs?(): Promise<number>
  /** A cursor from its text; null when it is none. */
  parseCursor(text: string): EntryCursor | null
  /** The newest entries first. */
  entries(filter: EntryFilter, limit: number, before: EntryCursor | null): Promise<EntryPage>
  /** Tenants by slug, deleted ones not included. */
  tenants(after: string, limit: number): Promise<readonly Tenant[]>
  /** Usage by day, tenant and route, a chunk at a time. */
  usage(filter: UsageFilter): AsyncIterable<readonly UsageRow[]>
  /** The audit of each instance that may have entries of the window; ends with the signal. */
  audit(
    filter: { tenant?: string; since: Date; until: Date },
    signal: AbortSignal,
  ): AsyncIterable<InstanceAudit>
  /** Who did what with a package, and what that answer rests on; ends with the signal. */
  who(matcher: PackageMatcher, filter: UsersFilter, signal: AbortSignal): Promise<WhoAnswer>
}

/** An answer, its coverage, and the audit's lines of what is missing. */
export interface WhoAnswer {
  readonly users: PackageUsers
  readonly coverage: Coverage
  readonly gaps: readonly string[]
}

/** The queries over a reader handle (`openReader`), whose statement timeout bounds each of them. */
export function queriesOf(reader: Sql): AdminQueries {
  return {
    nowMs: async () => (await readClock(reader, Date.now)).databaseMs,
    parseCursor: decodeCursor,
    entries: async (filter, limit, before) => {
      const { entries, next } = await listEntries(reader, filter, { limit, before })
      return { entries: entries.map(shownEntry), next: next === null ? null : encodeCursor(next) }
    },
    tenants: (after, limit) => listTenants(reader, { after, limit }),
    usage: (filter) => usageByDay(reader, filter),
    audit: (filter, signal) => auditInstances(reader, filter, { signal }),
    who: async (matcher, filter, signal) => {
      const users = await findPackageUsers(reader, matcher, filter, PURL_TYPES)
      const options = { isCounted: false, kinds: ARTIFACT_ROUTE_KINDS, settledAt: null, signal }
      return { users, ...(await readCoverage(reader, filter, options)) }
    },
  }
}
