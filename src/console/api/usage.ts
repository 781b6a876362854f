import { type Range, searchOf } from '../words/filter.ts'
import { get } from './client.ts'

/** Tenants or routes that are read: those with most requests. */
const MAX_GROUPS = 1000
/** Kinds of failures that are read. */
const MAX_FAILURES = 100

/** Sums of one tenant or route over a window. */
export interface UsageSum {
  readonly name: string | null
  readonly requests: number
  readonly errors: number
  readonly refused: number
  readonly bytesSent: number
  /** Served and refused in the window of the same length before. */
  readonly before: number
}

interface UsageGroup {
  readonly tenant?: string | null
  readonly route?: string | null
  readonly requests: number
  readonly errors_5xx: number
  readonly bytes_sent: number
  readonly refused: number
}

interface Groups<T> {
  readonly groups: readonly T[]
  readonly previous: readonly T[] | null
}

/** Usage of a window by tenant or route, of one tenant or all, most requests first. */
export async function getUsage(
  by: 'tenant' | 'route',
  range: Range,
  signal: AbortSignal,
  tenant?: string,
): Promise<readonly UsageSum[]> {
  const query = searchOf(tenant === undefined ? {} : { tenant: [tenant] }, range)
  query.set('by', by)
  query.set('limit', String(MAX_GROUPS))
  query.set('previous', 'true')
  const path = `/api/v1/figures/groups?${query}`
  const { groups, previous } = await get<Groups<UsageGroup>>(path, { signal })
  const before = new Map((previous ?? []).map((group) => [group[by] ?? null, group.requests + group.refused]))
  const sums = groups.map((group) => ({
    name: group[by] ?? null,
    requests: group.requests,
    errors: group.errors_5xx,
    refused: group.refused,
    bytesSent: group.bytes_sent,
    before: before.get(group[by] ?? null) ?? 0,
  }))
  return sums.toSorted((a, b) => b.requests + b.refused - a.requests - a.refused)
}

/** Failures of one kind. */
export interface FailureSum {
  readonly route: string | null
  readonly outcome: string
  readonly reason: string | null
  readonly n: number
}

interface FailureGroup {
  readonly route: string | null
  readonly outcome: string | null
  readonly reason: string | null
  readonly errors_5xx: number
  readonly refused: number
}

/** What failed most in a window, by route, outcome and reason; or what was refused most. The most first. */
export async function getFailures(
  only: 'failed' | 'refused',
  range: Range,
  signal: AbortSignal,
): Promise<readonly FailureSum[]> {
  const figure = only === 'failed' ? 'errors_5xx' : 'refused'
  const query = new URLSearchParams([
    ['by', 'route,outcome,reason'],
    ['only', only],
    ['sort', figure],
    ['limit', String(MAX_FAILURES)],
    ...searchOf({}, range),
  ])
  const { groups } = await get<Groups<FailureGroup>>(`/api/v1/figures/groups?${query}`, { signal })
  return groups.map((group) => ({
    route: group.route,
    outcome: group.outcome ?? '',
    reason: group.reason,
    n: group[figure],
  }))
}
