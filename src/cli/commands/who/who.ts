import type { Command } from 'commander'
import { ARTIFACT_ROUTE_KINDS, PURL_TYPES } from '../../../artifacts/purl-types.ts'
import { machineName } from '../../../lib/host/machine.ts'
import { coverageStatement, type CoverageState } from '../../../model/artifact/coverage.ts'
import type { PackageMatcher } from '../../../model/artifact/package-matcher.ts'
import { settle } from '../../../store/audit/audit-settle.ts'
import { findGone } from '../../../store/audit/instance-deaths.ts'
import { readCoverage } from '../../../store/packages/package-coverage.ts'
import { findPackageUsers } from '../../../store/packages/package-users.ts'
import type { Sql } from '../../../store/sql.ts'
import type { Cli } from '../../cli.ts'
import { nameDatabase, readByDatabase, withDatabase } from '../../context.ts'
import { CommandError, UsageError } from '../../errors.ts'
import { FORMATS } from '../../output/listing.ts'
import type { ExitCode, Io } from '../../output/io.ts'
import { requireTenant, routeProblem } from '../../known-names.ts'
import { addPlaneFlags, readByPlane, withApi, type OpenApi } from '../../plane/open-plane.ts'
import { askWho, windowUpTo } from '../../plane/remote/remote-reports.ts'
import { storeNames } from '../../plane/store-plane.ts'
import { Problems, TIME_FORM } from '../../problems.ts'
import { readWhoQuery, type WhoFlags, type WhoQuery } from './who-query.ts'
import { openReport, printDocument } from './who-report.ts'

/** Adds `waybill who`. */
export function addWhoCommand(program: Command, cli: Cli): void {
  const command = program
    .command('who')
    .description(
      'who downloaded a package, and whether that answer is complete; exit 0 nothing is missing, 1 something is, 3 not all could be looked at',
    )
    .argument('<package>', 'a package URL (pkg:npm/left-pad@1.3.0, pkg:npm/left-pad@>=1.2 <2) or a name')
    .option('--range <versions>', 'only these versions: >=1.2 <2, or vers:npm/>=1.2.0|<2.0.0')
    .option('--tenant <slug>', 'only this tenant')
    .option('--route <name>', 'only requests of this route')
    .option('--since <time>', `from this time on: ${TIME_FORM}`)
    .option('--until <time>', 'before this time')
    .option('--quick', 'believe the ledger of how many rows there are: do not count them')
    .option('--settle <duration>', 'wait this long at most for live gateways to store what they had accepted')
    .option('--format <format>', `${FORMATS.join(', ')} (default: table)`)
    .option('--json', 'the same as --format json: one JSON object')
  addPlaneFlags(command).action(async (text: string, flags: WhoFlags) =>
    cli.finish(await who(cli.io, text, flags)),
  )
}

const EXIT_CODES: Readonly<Record<CoverageState, ExitCode>> = { complete: 0, gaps: 1, so_far: 3 }

/** Prints who had a package; the exit code says whether the answer is complete. */
export async function who(io: Io, text: string, flags: WhoFlags): Promise<ExitCode> {
  const problems = new Problems()
  const read = (nowMs: number, found: Problems): WhoQuery => readWhoQuery(text, flags, nowMs, found)
  const { matcher } = problems.readAtAnyTime(read)
  const settleMs = flags.settle === undefined ? null : problems.durationMs('--settle', flags.settle)
  problems.throwIfAny()
  if (matcher === null) throw new RangeError('a question without problems that could not be read')
  const code = await withApi(io, flags, (open) => ofApi(io, open, { text, flags, read }))
  if (code !== null) return code
  return await withDatabase(io, flags, 'reader', async (database) => {
    const { sql, config } = database
    const query = await readByDatabase(io, sql, read)
    await requireTenant(storeNames(sql), query.filter.tenant)
    const state = await answer(io, sql, { query, matcher, settleMs, text, flags })
    const problem = state.isEmpty ? await routeProblem(storeNames(sql), config, query.filter.route) : null
    if (problem !== null) throw new CommandError(problem.text)
    nameDatabase(io, database)
    return EXIT_CODES[state.coverage]
  })
}

/** What the API answers at most. */
const API_DAYS = 366

/** By the ledger alone: an answer over HTTP cannot count rows for as long as that takes. */
async function ofApi(
  io: Io,
  { api, plane }: OpenApi,
  {
    text,
    flags,
    read,
  }: { text: string; flags: WhoFlags; read: (nowMs: number, found: Problems) => WhoQuery },
): Promise<ExitCode> {
  if (flags.settle !== undefined)
    throw new UsageError(['--settle needs the database itself: unset WAYBILL_URL'])
  const { filter, format } = await readByPlane(plane, read)
  const { tenant, route } = filter
  await requireTenant(plane, tenant)
  const found = await askWho(api, {
    package: text,
    range: flags.range,
    tenant,
    route,
    ...windowUpTo(filter, API_DAYS),
  })
  await printDocument(io, format, found)
  if (flags.quick !== true) io.stderr.write('note: rows were not counted: the API answers by the ledger\n')
  const problem = found.users.length === 0 ? await routeProblem(plane, plane.config, route) : null
  if (problem !== null) throw new CommandError(problem.text)
  plane.nameSource()
  return EXIT_CODES[found.coverage.state]
}

interface Asked {
  readonly query: WhoQuery
  readonly matcher: PackageMatcher
  readonly settleMs: number | null
  readonly text: string
  readonly flags: WhoFlags
}

/** Prints who it was as soon as that is known, and then what the answer rests on. */
async function answer(
  io: Io,
  sql: Sql,
  { query, matcher, settleMs, text, flags }: Asked,
): Promise<{ isEmpty: boolean; coverage: CoverageState }> {
  const { filter, format } = query
  const gone = await findGone(sql, machineName())
  // Before the rows are read: what is settled then is among them.
  const settledAt =
    settleMs === null
      ? null
      : await settle(
          sql,
          settleMs,
          gone.map(({ id }) => id),
        )
  const question = {
    package: text,
    range: flags.range ?? null,
    tenant: filter.tenant ?? null,
    route: filter.route ?? null,
    ignoredQualifiers: matcher.ignoredQualifiers,
  }
  const users = await findPackageUsers(sql, matcher, filter, PURL_TYPES)
  const report = openReport(io, format, question)
  await report.users(users)
  const kinds = ARTIFACT_ROUTE_KINDS
  const options = { isCounted: flags.quick !== true, gone, kinds, settledAt }
  const { coverage, gaps } = await readCoverage(sql, filter, options)
  await report.coverage(users, coverage, gaps)
  return { isEmpty: users.users.length === 0, coverage: coverageStatement(coverage, users).state }
}
