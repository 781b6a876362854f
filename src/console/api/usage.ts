import { boundsOf, type Range } from '../words/filter.ts'
import { get } from './client.ts'

/** Tenants or routes that are read: those with most requests. */
const MAX_GROUPS = 1000

/** Sums of one tenant or route over a window. */
export interface UsageSum {
  readonly name: string | null
  readonly requests: number
  readonly errors: number
  readonly refused: number
  readonly bytesSent: number
}

interface UsageGroup {
  readonly tenant?: string | null
  readonly route?: string | null
  readonly requests: number
  readonly errors_5xx: number
  readonly bytes_sent: number
  readonly refused_auth: number
  readonly refused_limit: number
  readonly refused_other: number
}

/** Usage of a window by tenant or route, of one tenant or all, most requests first. */
export async function getUsage(
  by: 'tenant' | 'route',
  range: Range,
  signal: AbortSignal,
  tenant?: string,
): Promise<readonly UsageSum[]> {
  const { from, to } = boundsOf(range, new Date())
  const query = new URLSearchParams({
    by,
    limit: String(MAX_GROUPS),
    since: from.toISOString(),
    until: to.toISOString(),
    ...(tenant === undefined ? {} : { tenant }),
  })
  const path = `/api/v1/figures/groups?${query}`
  const { groups } = await get<{ groups: readonly UsageGroup[] }>(path, { signal })
  const sums = groups.map((group) => ({
    name: group[by] ?? null,
    requests: group.requests,
    errors: group.errors_5xx,
    refused: group.refused_auth + group.refused_limit + group.refused_other,
    bytesSent: group.bytes_sent,
  }))
  return sums.toSorted((a, b) => b.requests + b.refused - a.requests - a.refused)
}
