import type { Command } from 'commander'
import { systemClock } from '../../lib/time/clock.ts'
import { ARTIFACT_KINDS } from '../../model/artifact/identity.ts'
import type { EntryRow } from '../../model/entry-columns.ts'
import type { Cli } from '../cli.ts'
import { ENTRY_SHAPE, PACKAGES_SHAPE } from './entry-shape.ts'
import { CommandError } from '../errors.ts'
import { addFormatFlags } from '../flags.ts'
import type { ExitCode, Io } from '../output/io.ts'
import { requireKey, requireTenant, routeProblem } from '../known-names.ts'
import { openListing, type Listing } from '../output/listing.ts'
import { readLogQuery, type LogFlags, type LogQuery } from './log-query.ts'
import { addPlaneFlags, readByPlane, withPlane } from '../plane/open-plane.ts'
import type { ControlPlane } from '../plane/plane.ts'
import { Problems, TIME_FORM } from '../problems.ts'

/** How long a listing that was told to end waits for its reader. */
const LAST_OUTPUT_MS = 1000

/** Adds `waybill logs`. */
export function addLogsCommand(program: Command, cli: Cli): void {
  const command = program
    .command('logs')
    .description('print the access log, oldest first')
    .option('--tenant <slug>', 'only requests of this tenant')
    .option('--route <name>', 'only requests of this route')
    .option('--key <id>', 'only requests with this key')
    .option('--since <time>', `from this time on: ${TIME_FORM}`)
    .option('--until <time>', 'before this time')
    .option('--status <status>', 'only this status (404) or class (5xx)')
    .option('--outcome <outcome>', 'only this outcome, such as rate_limited')
    .option('--method <method>', 'only this method')
    .option('--path <prefix>', 'only paths that begin so')
    .option('--ip <network>', 'only requests from this address or network')
    .option('--request-id <id>', 'only the request with this id')
    .option('--trace-id <id>', 'only requests of this trace')
    .option('--slower <duration>', 'only requests that took longer: 250ms, 5s')
    .option('--rule <id>', 'only requests that this rule concerned')
    .option('--package <name>', 'only of this package, in any spelling: left-pad, @babel/core')
    .option('--artifact-kind <kind>', `only requests of this kind: ${ARTIFACT_KINDS.join(', ')}`)
    .option('--packages', 'in the table: the package URL in place of the path')
    .option('--limit <n>', 'the newest n, or all (default: 100 in a table, else all)')
    .option('--follow', 'print new entries as they are stored, until Ctrl-C')
  addPlaneFlags(addFormatFlags(command)).action(async (flags: LogFlags) =>
    cli.finish(await logs(cli.io, flags)),
  )
}

async function logs(io: Io, flags: LogFlags): Promise<ExitCode> {
  const problems = new Problems()
  const { isWholeKey } = problems.readAtAnyTime((nowMs, found) => readLogQuery(flags, nowMs, found))
  problems.throwIfAny()
  if (isWholeKey) {
    io.stderr.write('warning: the key itself was on the command line, where others may see it\n')
  }
  return await withPlane(io, flags, 'reader', async (plane) => {
    const query = await readByPlane(plane, (nowMs, found) => readLogQuery(flags, nowMs, found))
    const { tenant, keyId, route } = query.filter
    await requireTenant(plane, tenant)
    await requireKey(plane, keyId)
    const listing = openListing(io, query.format, flags.packages === true ? PACKAGES_SHAPE : ENTRY_SHAPE)
    if (query.isFollowing) {
      plane.nameSource()
      const problem = await routeProblem(plane, plane.config, route)
      if (problem !== null) io.stderr.write(`note: ${problem.text}\n`)
      await follow(io, plane, query, listing)
      await listing.end()
      return 0
    }
    if (query.limit === null) await writeAll(plane.streamEntries(query.filter), listing)
    else await writeNewest(io, plane, query.filter, { limit: query.limit, listing })
    await listing.end()
    // Asked only now: a route of long ago has left nothing but its entries.
    const problem = listing.isEmpty ? await routeProblem(plane, plane.config, route) : null
    if (problem !== null) throw new CommandError(problem.text)
    plane.nameSource()
    return 0
  })
}

async function writeAll(
  pages: AsyncIterable<readonly EntryRow[]>,
  listing: Listing<EntryRow>,
): Promise<void> {
  for await (const page of pages) await listing.write(page)
}

/** The newest come first; a log reads the other way, so up to `limit` entries are held. */
async function writeNewest(
  io: Io,
  plane: ControlPlane,
  filter: LogQuery['filter'],
  { limit, listing }: { readonly limit: number; readonly listing: Listing<EntryRow> },
): Promise<void> {
  const { entries, isCut } = await plane.newestEntries(filter, limit)
  await listing.write(entries.toReversed())
  if (isCut) io.stderr.write(`the newest ${limit}; --limit all prints every one\n`)
}

/** Ends cleanly on SIGINT and SIGTERM, and within a second when its output is not read any more. */
async function follow(
  io: Io,
  plane: ControlPlane,
  query: LogQuery,
  listing: Listing<EntryRow>,
): Promise<void> {
  const ended = new AbortController()
  const end = (): void => {
    ended.abort()
    systemClock.later(LAST_OUTPUT_MS, () => io.exit(1))
  }
  const release = [io.onSignal('SIGINT', end), io.onSignal('SIGTERM', end)]
  try {
    await writeAll(plane.followEntries(query.filter, ended.signal), listing)
  } finally {
    for (const off of release) off()
  }
}
