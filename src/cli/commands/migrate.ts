import type { Command } from 'commander'
import { MIGRATIONS_DIR, migrate } from '../../store/migrate.ts'
import type { Cli } from '../cli.ts'
import { DATABASE_OPTIONS, addConfigFlags } from '../configuration.ts'
import { withDatabase } from '../context.ts'
import type { ExitCode, Io } from '../output/io.ts'
import { writeOut } from '../output/output.ts'
import { safeJson } from '../output/text.ts'

interface MigrateFlags {
  readonly allowDestructive?: boolean
  readonly json?: boolean
}

/** Adds `waybill migrate`. */
export function addMigrateCommand(program: Command, cli: Cli): void {
  const command = program
    .command('migrate')
    .description("bring the database to this version's schema; any number of processes may do so at once")
    .option('--allow-destructive', 'run migrations that destroy data too')
    .option('--json', 'print one JSON object')
  addConfigFlags(command, DATABASE_OPTIONS).action(async (flags: MigrateFlags) =>
    cli.finish(await run(cli.io, flags)),
  )
}

async function run(io: Io, flags: MigrateFlags): Promise<ExitCode> {
  return await withDatabase(io, flags, 'migrations', async ({ sql }) => {
    const { applied } = await migrate(sql, {
      migrationsDir: MIGRATIONS_DIR,
      allowDestructive: flags.allowDestructive === true,
      onProgress: (message) => io.stderr.write(`${message}\n`),
    })
    if (flags.json === true) await writeOut(io.stdout, `${safeJson({ applied })}\n`)
    else
      await writeOut(
        io.stdout,
        applied.length === 0 ? 'the database is up to date\n' : `applied ${applied.join(', ')}\n`,
      )
    return 0
  })
}
