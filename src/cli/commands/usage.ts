import type { Command } from 'commander'
import { TimeZone } from '../../model/time-zone.ts'
import { upstreamBudgets } from '../../store/packages/upstream-budgets.ts'
import type { UsageFilter, UsageRow } from '../../store/entries/usage.ts'
import type { Cli } from '../cli.ts'
import { nameDatabase, readByDatabase, withDatabase } from '../context.ts'
import { CommandError } from '../errors.ts'
import { addFormatFlags, readFormat, type FormatFlags } from '../flags.ts'
import type { ExitCode, Io } from '../output/io.ts'
import { requireTenant, routeProblem } from '../known-names.ts'
import { openListing, printListing, type Format, type RowShape } from '../output/listing.ts'
import { addPlaneFlags, readByPlane, withPlane } from '../plane/open-plane.ts'
import { storeNames } from '../plane/store-plane.ts'
import { Problems, TIME_FORM } from '../problems.ts'
import { groupShape, readGrouping, readGroups, type GroupFlags, type Grouping } from './usage/grouping.ts'
import { BUDGET_SHAPE, readBudgetQuery } from './who/budget-report.ts'

/** The flags of `waybill usage`. */
export interface UsageFlags extends FormatFlags, GroupFlags {
  readonly tenant?: string
  readonly period?: string
  readonly since?: string
  readonly until?: string
  readonly timezone?: string
  readonly upstreamBudget?: boolean
  readonly route?: string
}

/** Which usage is asked for: whole days of a time zone from `since` to before `until`. */
export interface UsageQuery {
  readonly filter: UsageFilter
  readonly format: Format
  /** Null for by day, tenant and route, day by day. */
  readonly grouping: Grouping | null
}

/** Adds `waybill usage`. */
export function addUsageCommand(program: Command, cli: Cli): void {
  const command = program
    .command('usage')
    .description('requests and bytes per day, tenant and route')
    .option('--tenant <slug>', 'only this tenant')
    .option(
      '--period <period>',
      'a month (2026-11), a day (2026-11-21) or a year (2026) (default: this month)',
    )
    .option('--since <time>', `whole days from this time on: ${TIME_FORM}`)
    .option('--until <time>', 'whole days up to this time')
    .option(
      '--by <columns>',
      'grouped by any of day, month, tenant, key, route, outcome, reason, class (default: day,tenant,route)',
    )
    .option('--sort <column>', 'sorted by a figure such as requests or bytes_sent; -requests: the most first')
    .option('--limit <n>', 'rows at most, of --by, --sort or --total (default: 1000)')
    .option('--total', 'and a row of all, also of what --limit leaves out')
    .option('--upstream-budget', 'which tenant spent what the upstream of a route allows (default: of a day)')
    .option('--route <name>', 'with --upstream-budget: only this route')
    .option(
      '--timezone <name>',
      'whose days, months and dates these are: an IANA name such as Pacific/Auckland (default: UTC)',
    )
  addPlaneFlags(addFormatFlags(command)).action(async (flags: UsageFlags) =>
    cli.finish(await (flags.upstreamBudget === true ? budget : usage)(cli.io, flags)),
  )
}

/** Reads the flags; collects what is wrong with them. */
export function readUsageQuery(flags: UsageFlags, nowMs: number, problems: Problems): UsageQuery {
  const zone = flags.timezone === undefined ? TimeZone.UTC : problems.timeZone('--timezone', flags.timezone)
  const tenant = flags.tenant === undefined ? {} : { tenant: problems.slug('--tenant', flags.tenant) }
  const scope = { ...tenant, timeZone: zone }
  const format = readFormat(flags, problems)
  const grouping = readGrouping(flags, problems)
  if (flags.route !== undefined) problems.add('--route needs --upstream-budget')
  const isRange = flags.since !== undefined || flags.until !== undefined
  if (flags.period !== undefined && isRange) problems.add('--period contradicts --since and --until')
  if (flags.until !== undefined && flags.since === undefined) problems.add('--until needs --since')
  if (flags.since === undefined) {
    const range = period(flags.period ?? zone.dayOf(nowMs).slice(0, 7), zone)
    if (range === null) problems.add('--period: must be such as 2026-11, 2026-11-21 or 2026')
    return {
      format,
      grouping,
      filter: { ...scope, ...(range ?? { since: new Date(0), until: new Date(0) }) },
    }
  }
  const since = new Date(zone.startOfDay(problems.time('--since', flags.since, nowMs, zone).getTime()))
  const end = flags.until === undefined ? nowMs : problems.time('--until', flags.until, nowMs, zone).getTime()
  // A day that has begun counts whole: a row never stands for a part of a day without saying so.
  const until = new Date(zone.endOfDay(end - 1))
  if (since >= until) problems.add('--since must be before --until')
  return { format, grouping, filter: { ...scope, since, until } }
}

function period(text: string, zone: TimeZone): { since: Date; until: Date } | null {
  const match = /^(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?$/.exec(text)
  if (match === null) return null
  const [year, month, day] = [Number(match[1]), Number(match[2] ?? 1), Number(match[3] ?? 1)]
  const since = new Date(Date.UTC(year, month - 1, day))
  // Date.UTC takes month 13 and 31 February for later dates, and the years before 100 for those of 1900.
  if (since.getUTCFullYear() !== year || since.getUTCMonth() !== month - 1 || since.getUTCDate() !== day)
    return null
  const until = new Date(since)
  if (match[3] !== undefined) until.setUTCDate(day + 1)
  else if (match[2] !== undefined) until.setUTCMonth(month)
  else until.setUTCFullYear(year + 1)
  return {
    since: new Date(zone.momentOf(since.getTime())),
    until: new Date(zone.momentOf(until.getTime())),
  }
}

const USAGE_SHAPE: RowShape<UsageRow> = {
  toOutput: (row) => ({ ...row }),
  csvColumns: [
    'day',
    'tenant',
    'route',
    'requests',
    'errors_4xx',
    'errors_5xx',
    'bytes_received',
    'bytes_sent',
    'refused_auth',
    'refused_limit',
    'refused_other',
    'refused_bytes_received',
    'refused_bytes_sent',
  ],
  columns: [
    { title: 'DAY', cell: (u) => u.day },
    { title: 'TENANT', minWidth: 8, cell: (u) => u.tenant ?? '-' },
    { title: 'ROUTE', minWidth: 8, cell: (u) => u.route ?? '-' },
    { title: 'REQUESTS', isRight: true, cell: (u) => u.requests.toString() },
    { title: '4XX', isRight: true, cell: (u) => u.errors_4xx.toString() },
    { title: '5XX', isRight: true, cell: (u) => u.errors_5xx.toString() },
    { title: 'RECEIVED', isRight: true, dropOrder: 1, cell: (u) => u.bytes_received.toString() },
    { title: 'SENT', isRight: true, cell: (u) => u.bytes_sent.toString() },
    {
      title: 'REFUSED',
      isRight: true,
      cell: (u) => (u.refused_auth + u.refused_limit + u.refused_other).toString(),
    },
  ],
}

const INCOMPLETE =
  'note: figures are still being computed for the first time, by a running gateway: until then days whose rows have expired are missing\n'

async function budget(io: Io, flags: UsageFlags): Promise<ExitCode> {
  const problems = new Problems()
  problems.readAtAnyTime((nowMs, found) => readBudgetQuery(flags, nowMs, found))
  problems.throwIfAny()
  return await withDatabase(io, flags, 'reader', async (database) => {
    const { sql, config } = database
    const { filter, format } = await readByDatabase(io, sql, (nowMs, found) =>
      readBudgetQuery(flags, nowMs, found),
    )
    await requireTenant(storeNames(sql), filter.tenant)
    const rows = await upstreamBudgets(sql, filter)
    const problem = rows.length === 0 ? await routeProblem(storeNames(sql), config, filter.route) : null
    if (problem !== null) throw new CommandError(problem.text)
    await printListing(io, format, BUDGET_SHAPE, rows)
    nameDatabase(io, database)
    return 0
  })
}

async function usage(io: Io, flags: UsageFlags): Promise<ExitCode> {
  const problems = new Problems()
  problems.readAtAnyTime((nowMs, found) => readUsageQuery(flags, nowMs, found))
  problems.throwIfAny()
  return await withPlane(io, flags, 'reader', async (plane) => {
    const query = await readByPlane(plane, (nowMs, found) => readUsageQuery(flags, nowMs, found))
    await requireTenant(plane, query.filter.tenant)
    if (query.grouping !== null) {
      const { by } = query.grouping
      const { groups, isComplete } = await readGroups(plane, query.filter, query.grouping)
      await printListing(io, query.format, groupShape(by), groups)
      if (!isComplete) io.stderr.write(INCOMPLETE)
      plane.nameSource()
      return 0
    }
    const listing = openListing(io, query.format, USAGE_SHAPE)
    for await (const rows of plane.usageByDay(query.filter)) await listing.write(rows)
    await listing.end()
    plane.nameSource()
    return 0
  })
}
