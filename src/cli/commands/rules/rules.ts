import type { Command } from 'commander'
import { RULE_ACTIONS, type RuleState } from '../../../model/rules/rule.ts'
import { createRule, getRule, listRules, setRuleState, type Rule } from '../../../store/rules/rules.ts'
import { awaitFollowers, DEFAULT_WAIT } from '../../await-followers.ts'
import type { Cli } from '../../cli.ts'
import { addConfigFlags, DATABASE_OPTIONS } from '../../configuration.ts'
import { nameDatabase, type OpenDatabase, readByDatabase, withDatabase } from '../../context.ts'
import { CommandError } from '../../errors.ts'
import { addFormatFlags, collect, readFormat, type FormatFlags } from '../../flags.ts'
import { routeProblem } from '../../known-names.ts'
import type { ExitCode, Io } from '../../output/io.ts'
import { printListing } from '../../output/listing.ts'
import { writeOut } from '../../output/output.ts'
import { safeJson } from '../../output/text.ts'
import { storeNames, storePlane } from '../../plane/store-plane.ts'
import { Problems } from '../../problems.ts'
import { readPackage, readRule, type RuleFlags } from './rule-flags.ts'
import { RULE_SHAPE } from './rule-shape.ts'
import { addTestCommand } from './trial.ts'

interface ListFlags extends FormatFlags {
  readonly package?: string
  readonly action?: string
  readonly all?: boolean
}

interface WaitFlags {
  readonly json?: boolean
  readonly wait?: boolean
  readonly waitFor?: string
}

/** Adds `waybill rules …`. */
export function addRuleCommands(program: Command, cli: Cli): void {
  const rules = program
    .command('rules')
    .description('deny packages, watch them, or let them pass as an exception, on every gateway')
  const adding = rules
    .command('add <package>')
    .description(
      'add a rule: a package URL, with * in names and versions, or a range (pkg:npm/left-pad@>=1.2 <2)',
    )
    .option('--action <action>', `${RULE_ACTIONS.join(', ')} (default: deny)`)
  addWaitFlags(addScopeFlags(adding))
    .option('--priority <n>', '0 to 1000, the highest decides (default: 100; of allow 200)')
    .option('--dry-run', 'decide nothing, and say in entries what it would have done')
    .option('--all', 'the rule may be about every package of a type')
    .action(async (text: string, flags: RuleFlags & WaitFlags) => cli.finish(await add(cli.io, text, flags)))
  const listing = rules
    .command('list')
    .description('list the rules, newest first')
    .option('--package <package>', 'only those of this package, as it was given')
    .option('--action <action>', `only ${RULE_ACTIONS.join(', ')}`)
    .option('--all', 'removed ones too')
  addConfigFlags(addFormatFlags(listing), DATABASE_OPTIONS).action(async (flags: ListFlags) =>
    cli.finish(await list(cli.io, flags)),
  )
  addConfigFlags(rules.command('show <id>').description('show a rule'), DATABASE_OPTIONS)
    .option('--json', 'print one JSON object')
    .action(async (id: string, flags: WaitFlags) => cli.finish(await show(cli.io, id, flags)))
  for (const [name, state, description] of STATES)
    addWaitFlags(
      addConfigFlags(rules.command(`${name} <id>`).description(description), DATABASE_OPTIONS),
    ).action(async (id: string, flags: WaitFlags) => cli.finish(await set(cli.io, id, state, flags)))
  addTestCommand(rules, cli)
}

const STATES: readonly (readonly [name: string, state: RuleState, description: string])[] = [
  ['disable', 'disabled', 'have a rule decide nothing, until it is enabled'],
  ['enable', 'active', 'have a disabled rule decide again'],
  ['remove', 'removed', 'end a rule, for good'],
]

/** Adds the flags that say whom a rule concerns, and why it is there. */
export function addScopeFlags(command: Command): Command {
  return addConfigFlags(command, DATABASE_OPTIONS)
    .option('--reason <text>', 'why, on one line: clients show it')
    .option('--reference <id>', 'of an advisory, for instance')
    .option('--tenant <slug>', 'only for this tenant; may be repeated', collect)
    .option('--route <name>', 'only for requests of this route; may be repeated', collect)
    .option('--key <id>', 'only for this key; may be repeated', collect)
    .option('--expires <when>', 'a duration (90d), a date, an ISO 8601 time, or never (default: never)')
}

function addWaitFlags(command: Command): Command {
  return command
    .option('--wait', 'return when every gateway process has confirmed it; exit 1 naming those that have not')
    .option('--wait-for <duration>', `longest wait for that (default: ${DEFAULT_WAIT})`)
    .option('--json', 'print one JSON object')
}

/** Reads a rule at the database's time, and stores it. Throws a CommandError for a route that is nowhere. */
export async function addRule(io: Io, database: OpenDatabase, text: string, flags: RuleFlags): Promise<Rule> {
  const { sql, config } = database
  const rule = await readByDatabase(io, sql, (nowMs, found) => readRule(text, flags, nowMs, found))
  for (const route of rule.routes) {
    const problem = await routeProblem(storeNames(sql), config, route)
    if (problem !== null) throw new CommandError(`--route: ${problem.text}`)
  }
  return await createRule(sql, rule)
}

async function add(io: Io, text: string, flags: RuleFlags & WaitFlags): Promise<ExitCode> {
  const problems = new Problems()
  problems.readAtAnyTime((nowMs, found) => readRule(text, flags, nowMs, found))
  const timeoutMs = readWait(flags, problems)
  problems.throwIfAny()
  return await withDatabase(io, flags, 'control', async (database) => {
    const rule = await addRule(io, database, text, flags)
    return await finish(io, database, rule, { ...flags, timeoutMs })
  })
}

function readWait(flags: WaitFlags, problems: Problems): number {
  if (flags.waitFor !== undefined && flags.wait !== true) problems.add('--wait-for needs --wait')
  return problems.durationMs('--wait-for', flags.waitFor ?? DEFAULT_WAIT)
}

/** Waits for the gateways where that is asked for, and prints the rule. */
async function finish(
  io: Io,
  database: OpenDatabase,
  rule: Rule,
  { timeoutMs, ...flags }: WaitFlags & { readonly timeoutMs: number },
): Promise<ExitCode> {
  const change = { table: 'rules', id: rule.id, timeoutMs } as const
  const code = flags.wait === true ? await awaitFollowers(io, storePlane(io, database), change) : 0
  await printRule(io, flags, rule)
  return code
}

async function printRule(io: Io, flags: WaitFlags, rule: Rule): Promise<void> {
  if (flags.json === true) await writeOut(io.stdout, `${safeJson(RULE_SHAPE.toOutput(rule), 2)}\n`)
  else await printListing(io, 'table', RULE_SHAPE, [rule])
}

async function list(io: Io, flags: ListFlags): Promise<ExitCode> {
  const problems = new Problems()
  const format = readFormat(flags, problems)
  const action =
    flags.action === undefined ? undefined : problems.choice('--action', flags.action, RULE_ACTIONS)
  const text = flags.package === undefined ? undefined : readPackage(flags.package, problems).package
  problems.throwIfAny()
  return await withDatabase(io, flags, 'reader', async (database) => {
    const found = await listRules(database.sql, {
      ...(action === undefined ? {} : { action }),
      ...(text === undefined ? {} : { package: text }),
      includeRemoved: flags.all === true,
    })
    await printListing(io, format, RULE_SHAPE, found)
    nameDatabase(io, database)
    return 0
  })
}

async function show(io: Io, id: string, flags: WaitFlags): Promise<ExitCode> {
  return await withDatabase(io, flags, 'reader', async ({ sql }) => {
    const rule = await getRule(sql, id)
    if (rule === null) {
      io.stderr.write(`error: there is no rule ${safeJson(id)}\n`)
      return 1
    }
    await printRule(io, flags, rule)
    return 0
  })
}

async function set(io: Io, id: string, state: RuleState, flags: WaitFlags): Promise<ExitCode> {
  const problems = new Problems()
  const timeoutMs = readWait(flags, problems)
  problems.throwIfAny()
  return await withDatabase(io, flags, 'control', async (database) => {
    const { rule, changed } = await setRuleState(database.sql, id, state)
    io.stderr.write(`rule ${id} ${changed ? 'is now' : 'was already'} ${state}\n`)
    return await finish(io, database, rule, { ...flags, timeoutMs })
  })
}
