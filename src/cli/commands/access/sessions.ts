import type { Command } from 'commander'
import type { AdminSession } from '../../../store/access/sessions.ts'
import type { Cli } from '../../cli.ts'
import { addFormatFlags, readFormat, type FormatFlags } from '../../flags.ts'
import { printListing, type RowShape } from '../../output/listing.ts'
import type { ExitCode, Io } from '../../output/io.ts'
import { addPlaneFlags, withPlane } from '../../plane/open-plane.ts'
import { Problems } from '../../problems.ts'

interface SessionFlags extends FormatFlags {
  readonly subject?: string
}

const SESSION_SHAPE: RowShape<AdminSession> = {
  toOutput: (session) => ({ ...session }),
  csvColumns: ['id', 'kind', 'name', 'tokenId', 'issuer', 'subject', 'createdAt', 'expiresAt'],
  columns: [
    { title: 'ID', cell: (s) => s.id },
    { title: 'BY', cell: (s) => s.kind },
    { title: 'NAME', minWidth: 8, cell: (s) => s.name ?? '-' },
    { title: 'SUBJECT', minWidth: 8, dropOrder: 2, cell: (s) => s.subject ?? s.tokenId ?? '-' },
    { title: 'SINCE', dropOrder: 1, cell: (s) => s.createdAt.toISOString() },
    { title: 'UNTIL', cell: (s) => s.expiresAt.toISOString() },
  ],
}

const SUBJECT = 'of this person, as the issuer names it (OpenID Connect)'

/** Adds `waybill sessions …`. */
export function addSessionCommands(program: Command, cli: Cli): void {
  const sessions = program
    .command('sessions')
    .description('who is signed in to the console and the admin API: list sessions, end them')
  const listing = sessions
    .command('list')
    .description('list the sessions that hold, newest first')
    .option('--subject <subject>', `only those ${SUBJECT}`)
  addPlaneFlags(addFormatFlags(listing)).action(async (flags: SessionFlags) =>
    cli.finish(await list(cli.io, flags)),
  )
  const ending = sessions
    .command('end [id...]')
    .description('end sessions at once; who may sign in, may again')
    .option('--subject <subject>', `all ${SUBJECT}`)
  addPlaneFlags(ending).action(async (ids: string[], flags: SessionFlags) =>
    cli.finish(await end(cli.io, ids, flags)),
  )
}

async function list(io: Io, flags: SessionFlags): Promise<ExitCode> {
  const problems = new Problems()
  const format = readFormat(flags, problems)
  problems.throwIfAny()
  return await withPlane(io, flags, 'control', async (plane) => {
    await printListing(io, format, SESSION_SHAPE, await plane.listSessions(flags.subject))
    plane.nameSource()
    return 0
  })
}

async function end(io: Io, ids: readonly string[], flags: SessionFlags): Promise<ExitCode> {
  const { subject } = flags
  const problems = new Problems()
  if (ids.length === 0 && subject === undefined) problems.add('give the ids of sessions, or --subject')
  if (ids.length > 0 && subject !== undefined) problems.add('--subject contradicts ids')
  problems.throwIfAny()
  return await withPlane(io, flags, 'control', async (plane) => {
    const named = subject === undefined ? ids : (await plane.listSessions(subject)).map(({ id }) => id)
    for (const id of named) {
      const { name } = await plane.endSession(id)
      io.stderr.write(`session ${id}${name === null ? '' : ` of ${JSON.stringify(name)}`} has ended\n`)
    }
    if (named.length === 0) io.stderr.write('there is no such session\n')
    return named.length === 0 ? 1 : 0
  })
}
