import type { Command } from 'commander'
import { parseDurationMs } from '../../../model/duration.ts'
import { listRules, setRuleState, type Rule } from '../../../store/rules/rules.ts'
import { awaitFollowers, DEFAULT_WAIT } from '../../await-followers.ts'
import type { Cli } from '../../cli.ts'
import { addConfigFlags, DATABASE_OPTIONS } from '../../configuration.ts'
import { type OpenDatabase, withDatabase } from '../../context.ts'
import { collect } from '../../flags.ts'
import type { ExitCode, Io } from '../../output/io.ts'
import { safeJson } from '../../output/text.ts'
import { storePlane } from '../../plane/store-plane.ts'
import { Problems } from '../../problems.ts'
import { who } from '../who/who.ts'
import { readPackage, readRule, type RuleFlags } from './rule-flags.ts'
import { addRule, addScopeFlags } from './rules.ts'

/** Adds `waybill block` and `waybill unblock`. */
export function addBlockCommands(program: Command, cli: Cli): void {
  const block = program
    .command('block <package>')
    .description('deny a package on every gateway, at once, and say who already has it')
  addScopeFlags(block)
    .option('--all', 'it may be every package of a type')
    .action(async (text: string, flags: RuleFlags) => cli.finish(await blockPackage(cli.io, text, flags)))
  const unblock = program
    .command('unblock <package>')
    .description('remove the rules that deny exactly this package')
    .option('--tenant <slug>', 'only rules for exactly these tenants; may be repeated', collect)
  addConfigFlags(unblock, DATABASE_OPTIONS).action(async (text: string, flags: RuleFlags) =>
    cli.finish(await unblockPackage(cli.io, text, flags)),
  )
}

async function blockPackage(io: Io, text: string, flags: RuleFlags): Promise<ExitCode> {
  const problems = new Problems()
  problems.readAtAnyTime((nowMs, found) => readRule(text, flags, nowMs, found))
  problems.throwIfAny()
  const code = await withDatabase(io, flags, 'control', async (database) => {
    const rule = await addRule(io, database, text, flags)
    io.stderr.write(`rule ${rule.id} denies ${rule.package}\n`)
    return await awaitRule(io, database, rule)
  })
  if (text.includes('*')) {
    io.stderr.write('note: who already has it is answered for names without *: waybill who\n')
    return code
  }
  // Its own exit code says whether the answer is complete, which the answer says as well; this one says whether it is blocked.
  await who(
    io,
    text,
    flags.tenant?.length === 1 ? { ...configOf(flags), tenant: flags.tenant[0] ?? '' } : configOf(flags),
  )
  return code
}

/** The flags that are not the rule's: where the database is. */
function configOf(flags: RuleFlags): object {
  const own = new Set(['tenant', 'route', 'key', 'reason', 'reference', 'expires', 'all'])
  return Object.fromEntries(Object.entries(flags).filter(([name]) => !own.has(name)))
}

async function awaitRule(io: Io, database: OpenDatabase, { id }: Rule): Promise<ExitCode> {
  const timeoutMs = parseDurationMs(DEFAULT_WAIT) ?? 0
  return await awaitFollowers(io, storePlane(io, database), { table: 'rules', id, timeoutMs })
}

async function unblockPackage(io: Io, text: string, flags: RuleFlags): Promise<ExitCode> {
  const problems = new Problems()
  const { package: canonical } = readPackage(text, problems)
  const tenants = (flags.tenant ?? []).map((slug) => problems.slug('--tenant', slug)).toSorted()
  problems.throwIfAny()
  return await withDatabase(io, flags, 'control', async (database) => {
    const { sql } = database
    const found = (await listRules(sql, { package: canonical, action: 'deny' })).filter(
      (rule) => flags.tenant === undefined || rule.tenants.toSorted().join(' ') === tenants.join(' '),
    )
    if (found.length === 0) {
      io.stderr.write(
        `error: no rule denies exactly ${safeJson(canonical)}: "waybill rules test" says which one decides\n`,
      )
      return 1
    }
    let code: ExitCode = 0
    for (const { id } of found) {
      const { rule } = await setRuleState(sql, id, 'removed')
      io.stderr.write(`rule ${id} is now removed\n`)
      const confirmed = await awaitRule(io, database, rule)
      if (confirmed !== 0) code = confirmed
    }
    return code
  })
}
