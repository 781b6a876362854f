import { createReadStream } from 'node:fs'
import { resolve } from 'node:path'
import type { Command } from 'commander'
import { BackupError } from '../../store/backup/format.ts'
import { restoreBackup } from '../../store/backup/restore.ts'
import { openBackup, type BackupSummary } from '../../store/backup/write.ts'
import { isTenantScopeEnforced } from '../../store/tenant-scope.ts'
import { packageVersion } from '../../version.ts'
import { writeNewFile } from '../output/atomic-file.ts'
import type { Cli } from '../cli.ts'
import { DATABASE_OPTIONS, addConfigFlags } from '../configuration.ts'
import { nameDatabase, withDatabase } from '../context.ts'
import { CommandError, OutputClosedError, UsageError } from '../errors.ts'
import type { ExitCode, Io } from '../output/io.ts'
import { writeOut } from '../output/output.ts'

/** Adds `waybill backup` and `waybill restore`. */
export function addBackupCommands(program: Command, cli: Cli): void {
  const { io } = cli
  const backup = program
    .command('backup <file>')
    .description(
      'write all of the database as of one moment, while gateways go on, to a new file (mode 0600), or to stdout with "-"; see docs/upgrade.md',
    )
  addConfigFlags(backup, DATABASE_OPTIONS).action(async (file: string, flags: object) =>
    cli.finish(await runBackup(io, file, flags)),
  )
  const restore = program
    .command('restore <file>')
    .description(
      'put a backup, from a file or with "-" from stdin, into an empty database: all of it, or nothing',
    )
    .option('--replace', 'throw away what the database has; its gateways must be stopped')
  addConfigFlags(restore, DATABASE_OPTIONS).action(async (file: string, flags: { replace?: boolean }) =>
    cli.finish(await runRestore(io, file, flags)),
  )
}

async function runBackup(io: Io, file: string, flags: object): Promise<ExitCode> {
  if (file === '-' && io.isTty.stdout)
    throw new UsageError(['a backup is not for a terminal: name a file, or redirect stdout'])
  return await withDatabase(io, flags, 'backup', async (database) => {
    nameDatabase(io, database)
    const { tar, summary, abandon } = openBackup(database.sql, packageVersion())
    const isWritten = file === '-' ? toStdout(io, tar) : writeNewFile(resolve(io.cwd, file), tar, io)
    isWritten.catch(abandon)
    // Of two failures the first is the cause of the other.
    const [made] = await Promise.all([summary, isWritten]).catch(throwForUser)
    report(io, 'backed up', made)
    return 0
  })
}

async function toStdout(io: Io, tar: AsyncIterable<Uint8Array>): Promise<void> {
  try {
    for await (const chunk of tar) await writeOut(io.stdout, chunk)
  } catch (error) {
    if (!(error instanceof OutputClosedError)) throw error
    // Quiet is for listings, whose reader has seen enough.
    throw new CommandError('the reader of the backup has gone: what it has of it is not whole', {
      cause: error,
    })
  }
}

async function runRestore(
  io: Io,
  file: string,
  { replace, ...flags }: { replace?: boolean },
): Promise<ExitCode> {
  const source = file === '-' ? io.stdin : createReadStream(resolve(io.cwd, file))
  if (source !== io.stdin) await opened(source as ReturnType<typeof createReadStream>, file)
  return await withDatabase(io, flags, 'migrations', async (database) => {
    nameDatabase(io, database)
    const { sql } = database
    const onProgress = (message: string): void => void io.stderr.write(`${message}\n`)
    const options = { replaces: replace === true, onProgress }
    report(io, 'restored', await restoreBackup(sql, source, options).catch(throwForUser))
    if (!(await isTenantScopeEnforced(sql))) {
      io.stderr.write(
        'warning: row level security is not in force here: the role waybill_reader is missing, or this role may not take it; docs/operating.md, Roles, has the statements for an administrator\n',
      )
    }
    io.stderr.write('"waybill audit --deep" compares every row with what the gateways had sealed\n')
    return 0
  })
}

function throwForUser(error: unknown): never {
  if (error instanceof BackupError) throw new CommandError(error.message, { cause: error })
  throw error
}

/** A file that is not there must not lead to a new database. */
async function opened(source: ReturnType<typeof createReadStream>, file: string): Promise<void> {
  await new Promise<void>((done, fail) => {
    source.once('open', () => done())
    source.once('error', (error: NodeJS.ErrnoException) =>
      fail(new CommandError(`${file} cannot be read (${error.code})`, { cause: error })),
    )
  })
}

function report(io: Io, what: string, { tables, rows, takenAt }: BackupSummary): void {
  io.stderr.write(`${what} ${rows.toLocaleString('en')} rows of ${tables} tables, as of ${takenAt}\n`)
}
