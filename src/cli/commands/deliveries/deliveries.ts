import type { Command } from 'commander'
import { REPEATABLE_STATES } from '../../../store/deliveries/delivery-decisions.ts'
import { SETTLED_MS } from '../../../store/deliveries/delivery-accounts.ts'
import { DELIVERY_STATES } from '../../../store/deliveries/deliveries.ts'
import type { Cli } from '../../cli.ts'
import { UsageError } from '../../errors.ts'
import { addFormatFlags, readFormat } from '../../flags.ts'
import type { ExitCode, Io } from '../../output/io.ts'
import { printListing } from '../../output/listing.ts'
import { addPlaneFlags } from '../../plane/open-plane.ts'
import { Problems, TIME_FORM } from '../../problems.ts'
import { decide, DROPPABLE_STATES, type DecideFlags } from './decide.ts'
import { withFiltered, type DeliveryFlags } from './delivery-flags.ts'
import { ACCOUNT_SHAPE, DELIVERY_SHAPE } from './delivery-shapes.ts'
import { MAX_COPIES, replay, type ReplayFlags } from './replay.ts'
import { show, type ShowFlags } from './show.ts'

const MAX_ROWS = 10_000
const DAY_MS = 86_400_000

/** Adds `waybill deliveries …`. */
export function addDeliveryCommands(program: Command, cli: Cli): void {
  const group = program
    .command('deliveries')
    .description('what routes with mode: accept keep: list, show, repeat, drop, and their books')
  const listing = withFilter(
    group.command('list').description('list deliveries, newest first'),
    DELIVERY_STATES,
  ).option('--limit <n>', `at most so many, up to ${MAX_ROWS} (default: 100)`)
  addPlaneFlags(addFormatFlags(listing)).action(async (flags: DeliveryFlags) =>
    cli.finish(await list(cli.io, flags)),
  )
  const one = group
    .command('show <id>')
    .description('show a delivery and its attempts')
    .option(
      '--body',
      'and what was sent, without what deliver.mask of its route names; from the database only',
    )
    .option('--json', 'print one JSON object')
  addPlaneFlags(one).action(async (id: string, flags: ShowFlags) => cli.finish(await show(cli.io, id, flags)))
  addDeciding(group, cli)
  const books = group
    .command('account')
    .description(
      'what was accepted = what was delivered, waits, is dead or was dropped; 1 if anything is missing',
    )
    .option('--tenant <slug>', 'of this tenant only')
    .option('--since <time>', `received from this time on (default: 1d): ${TIME_FORM}`)
    .option('--until <time>', 'received before this time (default: 10 s ago)')
  addPlaneFlags(addFormatFlags(books)).action(async (flags: DeliveryFlags) =>
    cli.finish(await account(cli.io, flags)),
  )
}

function addDeciding(group: Command, cli: Cli): void {
  const again = group
    .command('redeliver [id]')
    .description('deliver once more, as a new delivery: a dead, delivered or dropped one, or dead letters')
  addPlaneFlags(
    withFilter(again, REPEATABLE_STATES, 'default: dead').option('--all', 'all that the flags name'),
  ).action(async (id: string | undefined, flags: DecideFlags) =>
    cli.finish(await decide(cli.io, 'redeliver', id, flags)),
  )
  const dropping = group.command('drop [id]').description('give up those that wait, and dead letters')
  addPlaneFlags(
    withFilter(dropping, DROPPABLE_STATES, 'default: both')
      .option('--all', 'all that the flags name')
      .option('--yes', 'required: it cannot be undone'),
  ).action(async (id: string | undefined, flags: DecideFlags & { readonly yes?: boolean }) => {
    if (flags.yes !== true) throw new UsageError(['--yes is required: it cannot be undone'])
    cli.finish(await decide(cli.io, 'drop', id, flags))
  })
  const replaying = group
    .command('replay')
    .description(
      'send what is over once more, delivered or not: to its receiver, or a copy to another address',
    )
  addPlaneFlags(
    withFilter(replaying, REPEATABLE_STATES, 'default: all of these; with --to, any')
      .option(
        '--to <url>',
        'send copies there, from this machine, without credentials; from the database only',
      )
      .option('--limit <n>', `with --to: at most so many, the oldest, up to ${MAX_COPIES} (default: 100)`),
  ).action(async (flags: ReplayFlags) => cli.finish(await replay(cli.io, flags)))
}

function withFilter(command: Command, states: readonly string[], more?: string): Command {
  const choice = `${states.join(', ')}${more === undefined ? '' : ` (${more})`}`
  return command
    .option('--tenant <slug>', 'only of this tenant')
    .option('--route <name>', 'only of this route')
    .option('--state <state>', `only in this state: ${choice}`)
    .option('--since <time>', `received from this time on: ${TIME_FORM}`)
    .option('--until <time>', 'received before this time')
}

async function list(io: Io, flags: DeliveryFlags): Promise<ExitCode> {
  const problems = new Problems()
  const format = readFormat(flags, problems)
  const limit = flags.limit === undefined ? 100 : problems.integer('--limit', flags.limit, 1, MAX_ROWS)
  return await withFiltered(
    io,
    flags,
    { handle: 'reader', problems, states: DELIVERY_STATES },
    async (plane, filter) => {
      await printListing(io, format, DELIVERY_SHAPE, await plane.listDeliveries(filter, limit))
      return 0
    },
  )
}

async function account(io: Io, flags: DeliveryFlags): Promise<ExitCode> {
  const problems = new Problems()
  const format = readFormat(flags, problems)
  return await withFiltered(
    io,
    flags,
    { handle: 'reader', problems, states: [] },
    async (plane, filter, nowMs) => {
      const { tenant, since = new Date(nowMs - DAY_MS), until = new Date(nowMs - SETTLED_MS) } = filter
      const rows = await plane.accountDeliveries({
        ...(tenant === undefined ? {} : { tenant }),
        since,
        until,
      })
      await printListing(io, format, ACCOUNT_SHAPE, rows)
      return rows.some(({ missing }) => missing > 0) ? 1 : 0
    },
  )
}
