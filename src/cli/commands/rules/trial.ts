import type { Command } from 'commander'
import type { LoggedPackage } from '../../../model/artifact/spelling.ts'
import { QueryError } from '../../../model/artifact/query-error.ts'
import { lookUpOf } from '../../../model/rules/look-up.ts'
import { readTried, type RuleTrial, tryRules } from '../../../model/rules/rule-trial.ts'
import { rulesFor } from '../../../store/rules/rules.ts'
import type { Cli } from '../../cli.ts'
import { addConfigFlags, DATABASE_OPTIONS } from '../../configuration.ts'
import { readByDatabase, withDatabase } from '../../context.ts'
import type { ExitCode, Io } from '../../output/io.ts'
import { printListing, type RowShape } from '../../output/listing.ts'
import { writeOut } from '../../output/output.ts'
import { escapeUnsafe, safeJson } from '../../output/text.ts'
import { Problems } from '../../problems.ts'
import { RULE_TYPES } from './rule-flags.ts'

interface TestFlags {
  readonly tenant?: string
  readonly route?: string
  readonly key?: string
  readonly json?: boolean
}

/** Adds `waybill rules test`. */
export function addTestCommand(rules: Command, cli: Cli): void {
  const command = rules
    .command('test <package>')
    .description('which rule decides on a download of a package, and why; exit 0 it passes, 1 it is denied')
    .option('--tenant <slug>', 'asked with a key of this tenant')
    .option('--route <name>', 'asked of this route')
    .option('--key <id>', 'asked with this key')
  addConfigFlags(command, DATABASE_OPTIONS)
    .option('--json', 'print one JSON object')
    .action(async (text: string, flags: TestFlags) => cli.finish(await test(cli.io, text, flags)))
}

/** A rule that may be about the package, and what it says of it. */
type Tried = RuleTrial['rules'][number]

const TRIED_SHAPE: RowShape<Tried> = {
  toOutput: ({ rule, says }) => ({
    id: rule.id,
    package: rule.package,
    action: rule.action,
    dryRun: rule.isDryRun,
    priority: rule.priority,
    says,
  }),
  csvColumns: ['id', 'package', 'action', 'dryRun', 'priority', 'says'],
  columns: [
    { title: 'RULE', cell: ({ rule }) => rule.id },
    { title: 'PRIORITY', isRight: true, cell: ({ rule }) => String(rule.priority) },
    { title: 'ACTION', cell: ({ rule }) => (rule.isDryRun ? `${rule.action} (dry run)` : rule.action) },
    { title: 'PACKAGE', minWidth: 16, cell: ({ rule }) => rule.package },
    { title: 'SAYS', minWidth: 12, cell: ({ says }) => says },
  ],
}

async function test(io: Io, text: string, flags: TestFlags): Promise<ExitCode> {
  const problems = new Problems()
  const found = readFound(text, problems)
  if (flags.tenant !== undefined) problems.slug('--tenant', flags.tenant)
  if (flags.route !== undefined) problems.slug('--route', flags.route)
  const key = flags.key === undefined ? '' : problems.keyId('--key', flags.key).id
  problems.throwIfAny()
  return await withDatabase(io, flags, 'reader', async ({ sql }) => {
    const nowMs = await readByDatabase(io, sql, (ms) => ms)
    const question = { found, tenant: flags.tenant ?? '', route: flags.route ?? '', key, nowMs }
    const records = await rulesFor(sql, found.type, lookUpOf(found.type, found.name))
    const { answer, decides, rules } = tryRules(records, question)
    if (flags.json === true) {
      const output = { answer, decides, rules: rules.map((one) => TRIED_SHAPE.toOutput(one)) }
      await writeOut(io.stdout, `${safeJson(output, 2)}\n`)
    } else {
      if (rules.length > 0) await printListing(io, 'table', TRIED_SHAPE, rules)
      await writeOut(io.stdout, `${escapeUnsafe(answer)}\n`)
    }
    return decides?.action === 'deny' ? 1 : 0
  })
}

const NOTHING: LoggedPackage = { type: '', name: '', version: '', qualifiers: '' }

function readFound(text: string, problems: Problems): LoggedPackage {
  try {
    return readTried(text, RULE_TYPES)
  } catch (error) {
    if (!(error instanceof QueryError)) throw error
    problems.add(`package: cannot read ${safeJson(text.slice(0, 200))}: ${error.message}`)
    return NOTHING
  }
}
