import type { EntryRow } from '../../../model/entry-columns.ts'
import { TimeZone } from '../../../model/time-zone.ts'
import type { AdminLogEntry, AdminLogFilter } from '../../../store/admin-log/admin-log.ts'
import type { UsageFilter, UsageRow } from '../../../store/entries/usage.ts'
import type { UsageGroup, UsageGroupQuery } from '../../../store/figures/usage-groups.ts'
import { CommandError } from '../../errors.ts'
import type { LogPort } from '../plane.ts'
import type { ApiClient } from './api-client.ts'
import { followRemote } from './follow-remote.ts'
import { entryOf, entryQuery, exportEntries } from './remote-entries.ts'
import { withTimes } from './remote-directory.ts'

const PAGE = 1000
/** Days of usage of one answer; one with more rows than it may have is asked for by day. */
const USAGE_DAYS = 31

/** The access log over HTTP. `say`: a line for stderr. */
export function remoteLog(api: ApiClient, say: (line: string) => void): LogPort {
  return {
    newestEntries: async (filter, limit) => {
      const entries: EntryRow[] = []
      let cursor: string | undefined
      do {
        const query = { ...entryQuery(filter), limit: String(Math.min(PAGE, limit - entries.length)), cursor }
        const page: { items: object[]; next: string | null } = await api.ask('GET', '/entries', { query })
        entries.push(...page.items.map(entryOf))
        cursor = page.next ?? undefined
      } while (cursor !== undefined && entries.length < limit)
      return { entries, isCut: cursor !== undefined }
    },
    streamEntries: (filter) => exportEntries(api, filter),
    followEntries: (filter, signal) => followRemote(api, filter, { signal, say }),
    usageByDay: (filter) => usageByDay(api, filter),
    groupUsage: (query) => groupUsage(api, query),
    listAdminLog: async (filter, { order, after, limit }) => {
      const query = {
        ...changeQuery(filter),
        order,
        limit: String(Math.min(limit, PAGE)),
        // 0 is before the first, and no cursor.
        cursor: after === undefined || after === 0 ? undefined : String(after),
      }
      const found: AdminLogEntry[] = []
      for await (const page of api.pages<object>('/admin-log', query)) {
        found.push(...page.map((row) => withTimes<AdminLogEntry>(row, ['at'])))
        if (found.length >= limit) break
      }
      return found.slice(0, limit)
    },
  }
}

async function* usageByDay(
  api: ApiClient,
  { tenant, since, until, timeZone = TimeZone.UTC }: UsageFilter,
): AsyncGenerator<readonly UsageRow[], void, undefined> {
  let days = USAGE_DAYS
  for (let from = since; from < until;) {
    let to = from
    for (let i = 0; i < days && to < until; i++) to = new Date(timeZone.endOfDay(to.getTime()))
    const end = to < until ? to : until
    const query = {
      tenant,
      since: from.toISOString(),
      until: end.toISOString(),
      timezone: timeZone.name,
    }
    const { usage, isTruncated } = await api.ask<{ usage: UsageRow[]; isTruncated: boolean }>(
      'GET',
      '/usage',
      {
        query,
      },
    )
    if (isTruncated && days === 1)
      throw new CommandError('a day has more than 10,000 rows of usage: ask for one tenant, or with --by')
    if (isTruncated) {
      days = 1
      continue
    }
    if (usage.length > 0) yield usage
    from = end
  }
}

async function groupUsage(
  api: ApiClient,
  { tenant, route, only, since, until, timeZone, by, sort, limit }: UsageGroupQuery,
): Promise<{ groups: readonly UsageGroup[]; isComplete: boolean }> {
  const query = {
    tenant,
    route,
    only,
    since: since.toISOString(),
    until: until.toISOString(),
    timezone: timeZone?.name,
    by: by.length === 0 ? 'all' : by.join(','),
    sort: sort?.by ?? 'by',
    order: sort?.isAscending === false ? 'desc' : 'asc',
    limit: String(limit),
  }
  return await api.ask('GET', '/figures/groups', { query })
}

function changeQuery({ since, until, ...same }: AdminLogFilter): Record<string, string | undefined> {
  return { ...same, since: since?.toISOString(), until: until?.toISOString() }
}
