import type { Command } from 'commander'
import { deliveryAccounts, type DeliveryAccount } from '../../../store/deliveries/delivery-accounts.ts'
import { dropDeliveries, MAX_DECISIONS, redeliver } from '../../../store/deliveries/delivery-decisions.ts'
import {
  DELIVERY_STATES,
  listDeliveries,
  type DeliveryFilter,
  type DeliveryRow,
} from '../../../store/deliveries/deliveries.ts'
import type { Sql } from '../../../store/sql.ts'
import type { Cli } from '../../cli.ts'
import { addConfigFlags, DATABASE_OPTIONS } from '../../configuration.ts'
import { readByDatabase, withDatabase, type Handle } from '../../context.ts'
import { UsageError } from '../../errors.ts'
import { addFormatFlags, readFormat, type FormatFlags } from '../../flags.ts'
import type { ExitCode, Io } from '../../output/io.ts'
import { printListing, type RowShape } from '../../output/listing.ts'
import { writeOut } from '../../output/output.ts'
import { escapeUnsafe } from '../../output/text.ts'
import { Problems, TIME_FORM } from '../../problems.ts'

interface DeliveryFlags extends FormatFlags {
  readonly tenant?: string
  readonly route?: string
  readonly state?: string
  readonly since?: string
  readonly until?: string
  readonly limit?: string
  readonly all?: boolean
  readonly yes?: boolean
}

const MAX_ROWS = 10_000
const DAY_MS = 86_400_000
/** Entries are stored by then. */
const SETTLED_MS = 10_000
const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

/** Adds `waybill deliveries …`. */
export function addDeliveryCommands(program: Command, cli: Cli): void {
  const group = program
    .command('deliveries')
    .description('what routes with mode: accept keep: list, repeat, drop, and their books')
  const listing = withFilter(group.command('list').description('list deliveries, newest first')).option(
    '--limit <n>',
    `at most so many, up to ${MAX_ROWS} (default: 100)`,
  )
  addConfigFlags(addFormatFlags(listing), DATABASE_OPTIONS).action(async (flags: DeliveryFlags) =>
    cli.finish(await list(cli.io, flags)),
  )
  for (const [name, description, act, word] of [
    [
      'redeliver',
      'deliver once more, each as a new delivery: dead, delivered or dropped ones',
      redeliver,
      'to be delivered again',
    ],
    ['drop', 'give up those that wait, and dead letters', dropDeliveries, 'dropped'],
  ] as const) {
    const command = withFilter(group.command(`${name} [id]`).description(description)).option(
      '--all',
      `all that the flags name, ${MAX_DECISIONS} at a time`,
    )
    if (name === 'drop') command.option('--yes', 'required: it cannot be undone')
    addConfigFlags(command, DATABASE_OPTIONS).action(async (id: string | undefined, flags: DeliveryFlags) => {
      if (name === 'drop' && flags.yes !== true)
        throw new UsageError(['--yes is required: it cannot be undone'])
      cli.finish(await decide(cli.io, { id, flags, act, word }))
    })
  }
  const books = group
    .command('account')
    .description(
      'what was accepted = what was delivered, waits, is dead or was dropped; 1 if anything is missing',
    )
    .option('--tenant <slug>', 'of this tenant only')
    .option('--since <time>', `received from this time on (default: 1d): ${TIME_FORM}`)
    .option('--until <time>', 'received before this time (default: 10 s ago)')
  addConfigFlags(addFormatFlags(books), DATABASE_OPTIONS).action(async (flags: DeliveryFlags) =>
    cli.finish(await account(cli.io, flags)),
  )
}

function withFilter(command: Command): Command {
  return command
    .option('--tenant <slug>', 'only of this tenant')
    .option('--route <name>', 'only of this route')
    .option('--state <state>', `only in this state: ${DELIVERY_STATES.join(', ')}`)
    .option('--since <time>', `received from this time on: ${TIME_FORM}`)
    .option('--until <time>', 'received before this time')
}

/** Reads the flags as they are at a time, which they may count from. */
function readFilter(flags: DeliveryFlags, nowMs: number, problems: Problems): DeliveryFilter {
  const { tenant, route, state, since, until } = flags
  return {
    ...(tenant === undefined ? {} : { tenant }),
    ...(route === undefined ? {} : { route }),
    ...(state === undefined
      ? {}
      : { state: problems.choice('--state', state, DELIVERY_STATES) ?? 'waiting' }),
    ...(since === undefined ? {} : { since: problems.time('--since', since, nowMs) }),
    ...(until === undefined ? {} : { until: problems.time('--until', until, nowMs) }),
  }
}

const ROW: RowShape<DeliveryRow> = {
  toOutput: (row) => ({ ...row }),
  csvColumns: [
    'id',
    'receivedAt',
    'tenant',
    'route',
    'state',
    'attempts',
    'nextAt',
    'endedAt',
    'lastStatus',
    'lastReason',
    'senderKey',
    'intoId',
    'redeliveryOf',
    'redeliveredAs',
    'requestId',
    'traceId',
    'bodyBytes',
  ],
  columns: [
    { title: 'ID', cell: (row) => row.id },
    { title: 'RECEIVED', cell: (row) => row.receivedAt.toISOString() },
    { title: 'TENANT', minWidth: 8, dropOrder: 3, cell: (row) => row.tenant },
    { title: 'ROUTE', minWidth: 8, cell: (row) => row.route },
    { title: 'STATE', cell: (row) => row.state },
    { title: 'ATTEMPTS', isRight: true, cell: (row) => String(row.attempts) },
    { title: 'LAST', dropOrder: 2, cell: (row) => lastOf(row) },
    { title: 'NEXT', dropOrder: 1, cell: (row) => row.nextAt?.toISOString() ?? '-' },
  ],
}

function lastOf({ lastStatus, lastReason }: DeliveryRow): string {
  return lastStatus === null ? escapeUnsafe(lastReason ?? '-') : String(lastStatus)
}

const COUNTS = [
  'accepted',
  'repeated',
  'delivered',
  'waiting',
  'dead',
  'dropped',
  'coalesced',
  'duplicate',
  'missing',
] as const

const BOOKS: RowShape<DeliveryAccount> = {
  toOutput: (row) => ({ ...row }),
  csvColumns: ['tenant', ...COUNTS],
  columns: [
    { title: 'TENANT', minWidth: 8, cell: (row) => row.tenant },
    ...COUNTS.map((name) => ({
      title: name.toUpperCase(),
      isRight: true,
      cell: (row: DeliveryAccount) => String(row[name]),
    })),
  ],
}

async function list(io: Io, flags: DeliveryFlags): Promise<ExitCode> {
  const problems = new Problems()
  const format = readFormat(flags, problems)
  const limit = flags.limit === undefined ? 100 : problems.integer('--limit', flags.limit, 1, MAX_ROWS)
  return await withFiltered(io, flags, { handle: 'reader', problems }, async (sql, filter) => {
    await printListing(io, format, ROW, await listDeliveries(sql, filter, { limit }))
    return 0
  })
}

interface Decision {
  readonly id: string | undefined
  readonly flags: DeliveryFlags
  readonly act: typeof redeliver | typeof dropDeliveries
  readonly word: string
}

async function decide(io: Io, { id, flags, act, word }: Decision): Promise<ExitCode> {
  const problems = new Problems()
  if (id !== undefined && !UUID.test(id)) problems.add(`${id.slice(0, 60)}: is not the id of a delivery`)
  if ((id === undefined) !== (flags.all === true)) problems.add('name one delivery, or give --all')
  return await withFiltered(io, flags, { handle: 'control', problems }, async (sql, filter) => {
    const wanted = id === undefined ? filter : { ...filter, id }
    let total = 0
    for (let done = MAX_DECISIONS; done === MAX_DECISIONS; total += done)
      done = (await act(sql, wanted, MAX_DECISIONS)).length
    await writeOut(io.stdout, `${total} ${word}\n`)
    return id !== undefined && total === 0 ? 1 : 0
  })
}

async function account(io: Io, flags: DeliveryFlags): Promise<ExitCode> {
  const problems = new Problems()
  const format = readFormat(flags, problems)
  return await withFiltered(io, flags, { handle: 'reader', problems }, async (sql, filter, nowMs) => {
    const { tenant, since = new Date(nowMs - DAY_MS), until = new Date(nowMs - SETTLED_MS) } = filter
    const rows = await deliveryAccounts(sql, { ...(tenant === undefined ? {} : { tenant }), since, until })
    await printListing(io, format, BOOKS, rows)
    return rows.some(({ missing }) => missing > 0) ? 1 : 0
  })
}

/** Gives `use` the filter of the flags, whose times count from the database's. Throws a UsageError with all that is wrong with them. */
async function withFiltered(
  io: Io,
  flags: DeliveryFlags,
  { handle, problems }: { readonly handle: Handle; readonly problems: Problems },
  use: (sql: Sql, filter: DeliveryFilter, nowMs: number) => Promise<ExitCode>,
): Promise<ExitCode> {
  problems.readAtAnyTime((nowMs, found) => readFilter(flags, nowMs, found))
  problems.throwIfAny()
  return await withDatabase(io, flags, handle, async ({ sql }) => {
    const [filter, nowMs] = await readByDatabase(
      io,
      sql,
      (now, found) => [readFilter(flags, now, found), now] as const,
    )
    return await use(sql, filter, nowMs)
  })
}
