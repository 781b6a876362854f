import type { Command } from 'commander'
import { nameOfThisUser } from '../../serve/control-plane/retention-upkeep.ts'
import { readRetention, setRetention } from '../../store/entries/retention.ts'
import type { Cli } from '../cli.ts'
import { DATABASE_OPTIONS, addConfigFlags } from '../configuration.ts'
import { nameDatabase, withDatabase } from '../context.ts'
import type { ExitCode, Io } from '../output/io.ts'
import { writeOut } from '../output/output.ts'
import { Problems } from '../problems.ts'
import { safeJson } from '../output/text.ts'

const MAX_DAYS = 36_500

interface RetentionFlags {
  readonly json?: boolean
}

/** Adds `waybill retention show|set`. */
export function addRetentionCommands(program: Command, cli: Cli): void {
  const group = program.command('retention').description('how many days rows of the access log are kept')
  const show = group
    .command('show')
    .description('what the database says')
    .option('--json', 'print one JSON object')
  addConfigFlags(show, DATABASE_OPTIONS).action(async (flags: RetentionFlags) =>
    cli.finish(await showDays(cli.io, flags)),
  )
  const set = group
    .command('set')
    .argument('<days>', 'older days are dropped within an hour, by any gateway')
    .description('set it for all gateways of the database, whatever their options say')
    .option('--json', 'print one JSON object')
  addConfigFlags(set, DATABASE_OPTIONS).action(async (days: string, flags: RetentionFlags) =>
    cli.finish(await setDays(cli.io, days, flags)),
  )
}

async function showDays(io: Io, flags: RetentionFlags): Promise<ExitCode> {
  return await withDatabase(io, flags, 'reader', async (database) => {
    const retention = await readRetention(database.sql)
    nameDatabase(io, database)
    if (flags.json === true) await writeOut(io.stdout, `${safeJson(retention)}\n`)
    else if (retention === null)
      await writeOut(io.stdout, 'not set: the first gateway sets it from its options\n')
    else {
      const by = retention.isExplicit
        ? 'set by command'
        : 'the longest accessLog.retentionDays of all gateways so far'
      await writeOut(io.stdout, `${retention.days} days, ${by}\n`)
    }
    return 0
  })
}

async function setDays(io: Io, text: string, flags: RetentionFlags): Promise<ExitCode> {
  const problems = new Problems()
  const days = problems.integer('<days>', text, 1, MAX_DAYS)
  problems.throwIfAny()
  return await withDatabase(io, flags, 'control', async ({ sql }) => {
    await setRetention(sql, days, nameOfThisUser('waybill retention set'))
    if (flags.json === true) await writeOut(io.stdout, `${safeJson({ days, isExplicit: true })}\n`)
    else await writeOut(io.stdout, `${days} days\n`)
    return 0
  })
}
