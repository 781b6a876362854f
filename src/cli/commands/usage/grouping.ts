import {
  USAGE_DIMENSIONS,
  USAGE_FIGURES,
  type UsageDimension,
  type UsageFigure,
  type UsageGroup,
  type UsageGroupQuery,
} from '../../../store/figures/usage-groups.ts'
import type { LogPort } from '../../plane/plane.ts'
import type { RowShape } from '../../output/listing.ts'
import type { Problems } from '../../problems.ts'

/** The flags of `waybill usage` that group and sort. */
export interface GroupFlags {
  readonly by?: string
  readonly sort?: string
  readonly limit?: string
  readonly total?: boolean
}

/** Groups at most, unless told, and ever. */
const DEFAULT_LIMIT = 1000
const MAX_LIMIT = 100_000

/** How usage is grouped; null for by day, tenant and route, as it has always been. */
export type Grouping = Pick<UsageGroupQuery, 'by' | 'sort' | 'limit'> & { readonly hasTotal: boolean }

/** Reads the flags; collects what is wrong with them. */
export function readGrouping(flags: GroupFlags, problems: Problems): Grouping | null {
  const { by, sort, limit, total } = flags
  if (by === undefined && sort === undefined && limit === undefined && total !== true) return null
  const names = (by ?? 'day,tenant,route').split(',').map((name) => name.trim())
  const dimensions = names.flatMap((name) => problems.choice('--by', name, USAGE_DIMENSIONS) ?? [])
  if (new Set(dimensions).size < dimensions.length) problems.add('--by names something twice')
  if (dimensions.includes('day') && dimensions.includes('month'))
    problems.add('--by: day and month contradict each other')
  const figure =
    sort === undefined ? undefined : problems.choice('--sort', sort.replace(/^-/, ''), USAGE_FIGURES)
  const most = limit === undefined ? DEFAULT_LIMIT : problems.integer('--limit', limit, 1, MAX_LIMIT)
  return {
    by: dimensions,
    limit: most,
    hasTotal: total === true,
    ...(figure === undefined ? {} : { sort: { by: figure, isAscending: sort?.startsWith('-') !== true } }),
  }
}

/** The groups, and behind them, where it is asked for, the total of all that there are, limit or not. */
export async function readGroups(
  plane: Pick<LogPort, 'groupUsage'>,
  query: Omit<UsageGroupQuery, keyof Grouping>,
  { hasTotal, ...grouping }: Grouping,
): Promise<{ readonly groups: readonly UsageGroup[]; readonly isComplete: boolean }> {
  const found = await plane.groupUsage({ ...query, ...grouping })
  if (!hasTotal) return found
  const total = await plane.groupUsage({ ...query, by: [], limit: 1 })
  return {
    groups: [...found.groups, ...total.groups],
    isComplete: found.isComplete && total.isComplete,
  }
}

const NUMBERS: readonly [string, (group: UsageGroup) => number][] = [
  ['REQUESTS', (group) => group.requests],
  ['4XX', (group) => group.errors_4xx],
  ['5XX', (group) => group.errors_5xx],
  ['RECEIVED', (group) => group.bytes_received],
  ['SENT', (group) => group.bytes_sent],
  ['REFUSED', (group) => group.refused],
]

/** How groups are printed. The total is a row whose dimensions are null: `total` in a table. */
export function groupShape(by: readonly UsageDimension[]): RowShape<UsageGroup> {
  const isTotal = (group: UsageGroup): boolean => by.every((name) => group[name] === undefined)
  const figures: readonly UsageFigure[] = USAGE_FIGURES
  return {
    toOutput: (group) => ({
      ...Object.fromEntries(by.map((name) => [name, group[name] ?? null])),
      ...Object.fromEntries(figures.map((name) => [name, group[name]])),
      ...(isTotal(group) ? { is_total: true } : {}),
    }),
    csvColumns: [...by, ...figures],
    columns: [
      ...by.map((name, i) => ({
        title: name.toUpperCase(),
        minWidth: 8,
        cell: (group: UsageGroup) => (isTotal(group) ? (i === 0 ? 'total' : '') : (group[name] ?? '-')),
      })),
      ...NUMBERS.map(([title, read]) => ({
        title,
        isRight: true,
        cell: (group: UsageGroup) => read(group).toString(),
      })),
    ],
  }
}
