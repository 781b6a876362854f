import { parseUpstreamLimit } from '../../../model/artifact/upstream-budget.ts'
import type { BudgetFilter, BudgetRow } from '../../../store/packages/upstream-budgets.ts'
import { readFormat, type FormatFlags } from '../../flags.ts'
import type { Format, RowShape } from '../../output/listing.ts'
import type { Problems } from '../../problems.ts'

/** The flags of `waybill usage --upstream-budget`. */
export interface BudgetFlags extends FormatFlags {
  readonly tenant?: string
  readonly route?: string
  readonly since?: string
  readonly until?: string
  readonly period?: string
  readonly timezone?: string
}

/** What `waybill usage --upstream-budget` is asked. */
export interface BudgetQuery {
  readonly filter: BudgetFilter
  readonly format: Format
}

/** Limits of upstreams are of hours. */
const DEFAULT_MS = 86_400_000

/** Reads the flags; collects what is wrong with them. */
export function readBudgetQuery(flags: BudgetFlags, nowMs: number, problems: Problems): BudgetQuery {
  if (flags.period !== undefined)
    problems.add('--period contradicts --upstream-budget: use --since and --until')
  if (flags.timezone !== undefined)
    problems.add('--timezone contradicts --upstream-budget, which counts no days')
  const since =
    flags.since === undefined ? new Date(nowMs - DEFAULT_MS) : problems.time('--since', flags.since, nowMs)
  const until = flags.until === undefined ? undefined : problems.time('--until', flags.until, nowMs)
  if (until !== undefined && since >= until) problems.add('--since must be before --until')
  return {
    format: readFormat(flags, problems),
    filter: {
      since,
      ...(until === undefined ? {} : { until }),
      ...(flags.tenant === undefined ? {} : { tenant: problems.slug('--tenant', flags.tenant) }),
      ...(flags.route === undefined ? {} : { route: problems.slug('--route', flags.route) }),
    },
  }
}

/** How a budget is printed. */
export const BUDGET_SHAPE: RowShape<BudgetRow> = {
  toOutput: (row) => {
    const { limit, remaining, resetAt, windowSeconds } = parseUpstreamLimit(row.limit ?? '')
    return {
      route: row.route,
      tenant: row.tenant,
      requests: row.requests,
      share: Math.round(row.share * 10_000) / 10_000,
      refused: row.refused,
      last_refused_at: row.lastRefusedAt,
      limit,
      remaining,
      window_seconds: windowSeconds,
      reset_at: resetAt,
      limit_at: row.limitAt,
    }
  },
  csvColumns: [
    'route',
    'tenant',
    'requests',
    'share',
    'refused',
    'last_refused_at',
    'limit',
    'remaining',
    'window_seconds',
    'reset_at',
    'limit_at',
  ],
  columns: [
    { title: 'ROUTE', minWidth: 8, cell: (row) => row.route },
    { title: 'TENANT', minWidth: 8, cell: (row) => row.tenant ?? '-' },
    { title: 'REQUESTS', isRight: true, cell: (row) => String(row.requests) },
    { title: 'SHARE', isRight: true, cell: (row) => `${(row.share * 100).toFixed(1)}%` },
    { title: '429', isRight: true, cell: (row) => String(row.refused) },
    { title: 'LAST 429', dropOrder: 2, cell: (row) => timeOf(row.lastRefusedAt) },
    { title: 'LIMIT', isRight: true, cell: (row) => limitOf(row) },
    {
      title: 'REMAINING',
      isRight: true,
      cell: (row) => numberOf(parseUpstreamLimit(row.limit ?? '').remaining),
    },
    { title: 'RESET', dropOrder: 1, cell: (row) => timeOf(parseUpstreamLimit(row.limit ?? '').resetAt) },
    { title: 'SEEN', dropOrder: 3, cell: (row) => timeOf(row.limitAt) },
  ],
}

function limitOf({ limit: text }: BudgetRow): string {
  const { limit, windowSeconds } = parseUpstreamLimit(text ?? '')
  return limit === null || windowSeconds === null ? numberOf(limit) : `${limit} in ${windowSeconds} s`
}

function numberOf(n: number | null): string {
  return n === null ? '-' : String(n)
}

function timeOf(time: Date | null): string {
  return time === null ? '-' : `${time.toISOString().slice(0, 19)}Z`
}
