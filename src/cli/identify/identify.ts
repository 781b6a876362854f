import type { Command } from 'commander'
import { fill } from '../../artifacts/identify/entry-identifier.ts'
import { belowRoute, identify } from '../../artifacts/identify.ts'
import { ECOSYSTEMS } from '../../artifacts/kinds.ts'
import { sleep } from '../../lib/time/sleep.ts'
import { AccessEntry } from '../../model/access-entry.ts'
import { ROUTE_KINDS, type Route } from '../../model/route.ts'
import {
  identifyRows,
  type IdentifyProgress,
  type RowIdentity,
  type UnidentifiedRow,
} from '../../store/entries/identify-rows.ts'
import type { Cli } from '../cli.ts'
import { addConfigFlags, DATABASE_OPTIONS, readConfig } from '../configuration.ts'
import { nameDatabase, readByDatabase, withDatabase } from '../context.ts'
import { CommandError } from '../errors.ts'
import type { ExitCode, Io } from '../output/io.ts'
import { writeOut } from '../output/output.ts'
import { safeJson } from '../output/text.ts'
import { Problems, TIME_FORM } from '../problems.ts'
import { identifyLines } from './identify-lines.ts'

/** Progress is told this often at most. */
const PROGRESS_MS = 2000
const DEFAULT_BATCH = '500'
const DEFAULT_PAUSE = '100ms'
const MAX_BATCH = 10_000

/** The flags of `waybill identify`. */
interface IdentifyFlags {
  readonly since?: string
  readonly until?: string
  readonly route?: string
  readonly batch: string
  readonly pause: string
  readonly json?: boolean
  readonly kind?: string
  readonly origin?: string
  readonly stdin?: boolean
}

/** Adds `waybill identify`. */
export function addIdentifyCommand(program: Command, cli: Cli): void {
  const command = program
    .command('identify')
    .description(
      'tell what older entries were about, by the routes of the configuration; or with --stdin try paths, without a database',
    )
    .option('--since <time>', `entries from this time on: ${TIME_FORM}`)
    .option('--until <time>', 'before this time (default: now)')
    .option('--route <name>', 'only entries of this route')
    .option('--batch <rows>', 'entries that one transaction changes', DEFAULT_BATCH)
    .option('--pause <time>', 'rest between two of them: such as 100ms, 0s for none', DEFAULT_PAUSE)
    .option('--json', 'print the summary as one JSON object')
    .option(
      '--stdin',
      'read lines METHOD<TAB>PATH, the path as below a route, and print a JSON object for each',
    )
    .option('--kind <kind>', `with --stdin: the kind of route, one of ${ROUTE_KINDS.join(', ')}`)
    .option('--origin <host>', 'with --stdin: where packages come from, as packageOrigin of a route')
  addConfigFlags(command, DATABASE_OPTIONS).action(async (flags: IdentifyFlags) =>
    cli.finish(await (flags.stdin === true ? tryPaths(cli.io, flags) : identifyOlder(cli.io, flags))),
  )
}

async function tryPaths(io: Io, flags: IdentifyFlags): Promise<ExitCode> {
  const problems = new Problems()
  const kind = problems.choice('--kind', flags.kind ?? '', ROUTE_KINDS)
  for (const name of ['since', 'until', 'route'] as const)
    if (flags[name] !== undefined) problems.add(`--${name} contradicts --stdin, which reads no database`)
  problems.throwIfAny()
  if (kind === undefined) return 2
  return await identifyLines(io, { kind, packageOrigin: flags.origin, upstream: { origin: '' } })
}

/** What is asked of the job. */
interface Query {
  readonly since: Date
  readonly until: Date
  readonly batchRows: number
  readonly pauseMs: number
}

function readQuery(flags: IdentifyFlags, nowMs: number, problems: Problems): Query {
  if (flags.since === undefined)
    problems.add('--since: say from when on entries are to be identified, such as 90d')
  for (const name of ['kind', 'origin'] as const)
    if (flags[name] !== undefined)
      problems.add(`--${name} needs --stdin: entries are identified by their routes`)
  const since = flags.since === undefined ? new Date(0) : problems.time('--since', flags.since, nowMs)
  const until = flags.until === undefined ? new Date(nowMs) : problems.time('--until', flags.until, nowMs)
  if (since >= until) problems.add('--since must be before --until')
  if (flags.route !== undefined) problems.slug('--route', flags.route)
  return {
    since,
    until,
    batchRows: problems.integer('--batch', flags.batch, 1, MAX_BATCH),
    pauseMs: problems.durationMs('--pause', flags.pause),
  }
}

async function identifyOlder(io: Io, flags: IdentifyFlags): Promise<ExitCode> {
  const problems = new Problems()
  problems.readAtAnyTime((nowMs, found) => readQuery(flags, nowMs, found))
  problems.throwIfAny()
  const routes = new Map(readConfig(io, flags).routes.map((route) => [route.name, route]))
  if (flags.route !== undefined && !routes.has(flags.route))
    throw new CommandError(
      `the configuration has no route ${flags.route}: entries are identified by its routes`,
    )
  return await withDatabase(io, flags, 'control', async (database) => {
    const { sql } = database
    const query = await readByDatabase(io, sql, (nowMs, found) => readQuery(flags, nowMs, found))
    const stop = new AbortController()
    const ask = (): void => stop.abort()
    const release = [io.onSignal('SIGINT', ask), io.onSignal('SIGTERM', ask)]
    try {
      nameDatabase(io, database)
      const tell = progressOf(io)
      const done = await identifyRows(sql, {
        ...query,
        ...(flags.route === undefined ? {} : { route: flags.route }),
        identify: (row) => identityOf(row, routes),
        onBatch: async (progress) => {
          tell(progress)
          if (query.pauseMs > 0) await sleep(query.pauseMs, { signal: stop.signal })
          return !stop.signal.aborted
        },
      })
      await writeOut(io.stdout, flags.json === true ? `${safeJson(summaryOf(done))}\n` : summaryText(done))
      const isDone = done.at >= query.until
      if (!isDone) io.stderr.write('interrupted: the same command goes on where this one ended\n')
      return isDone ? 0 : 1
    } finally {
      for (const off of release) off()
    }
  })
}

/** What a row was about, by the route that has its name now; null where that tells nothing. */
function identityOf(row: UnidentifiedRow, routes: ReadonlyMap<string, Route>): RowIdentity | null {
  const identity = new AccessEntry()
  if (row.route === null) return identity
  const route = routes.get(row.route)
  if (route === undefined || route.kind !== row.kind) return null
  const { name } = ECOSYSTEMS[route.kind]
  identity.ecosystem = name
  if (name !== '') fill(identity, identify(route, row.method ?? '', belowRoute(route, row.path ?? '/')))
  return identity
}

function progressOf(io: Io): (progress: Readonly<IdentifyProgress>) => void {
  let toldMs = -Infinity
  return ({ identified, at }) => {
    const nowMs = io.now()
    if (nowMs - toldMs < PROGRESS_MS) return
    toldMs = nowMs
    io.stderr.write(`${identified} entries identified, up to ${at.toISOString()}\n`)
  }
}

function summaryOf({ identified, packages, skipped, at }: IdentifyProgress): object {
  const byRoute = Object.fromEntries(skipped)
  const total = [...skipped.values()].reduce((sum, n) => sum + n, 0)
  return { identified, packages, skipped: total, skippedByRoute: byRoute, upTo: at.toISOString() }
}

function summaryText({ identified, packages, skipped }: IdentifyProgress): string {
  const lines = [`${identified} entries identified, ${packages} of them are about a package\n`]
  for (const [route, n] of [...skipped].sort(([a], [b]) => (a < b ? -1 : 1)))
    lines.push(`${n} entries skipped: the configuration has no route ${route} of the kind that they had\n`)
  return lines.join('')
}
