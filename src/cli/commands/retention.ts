import type { Command } from 'commander'
import { MAX_RETENTION_DAYS } from '../../store/entries/retention.ts'
import type { Cli } from '../cli.ts'
import type { ExitCode, Io } from '../output/io.ts'
import { writeOut } from '../output/output.ts'
import { addPlaneFlags, withPlane } from '../plane/open-plane.ts'
import { Problems } from '../problems.ts'
import { safeJson } from '../output/text.ts'

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
  addPlaneFlags(show).action(async (flags: RetentionFlags) => cli.finish(await showDays(cli.io, flags)))
  const set = group
    .command('set')
    .argument('<days>', 'older days are dropped within an hour, by any gateway')
    .description('set it for all gateways of the database, whatever their options say')
    .option('--json', 'print one JSON object')
  addPlaneFlags(set).action(async (days: string, flags: RetentionFlags) =>
    cli.finish(await setDays(cli.io, days, flags)),
  )
}

async function showDays(io: Io, flags: RetentionFlags): Promise<ExitCode> {
  return await withPlane(io, flags, 'reader', async (plane) => {
    const retention = await plane.readRetention()
    plane.nameSource()
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
  const days = problems.integer('<days>', text, 1, MAX_RETENTION_DAYS)
  problems.throwIfAny()
  return await withPlane(io, flags, 'control', async (plane) => {
    await plane.setRetention(days)
    if (flags.json === true) await writeOut(io.stdout, `${safeJson({ days, isExplicit: true })}\n`)
    else await writeOut(io.stdout, `${days} days\n`)
    return 0
  })
}
