import type { Command } from 'commander'
import type { LoggedPackage } from '../../../model/artifact/spelling.ts'
import { readPackageQuestion } from '../../../model/artifact/package-question.ts'
import { encode } from '../../../model/artifact/purl.ts'
import { QueryError } from '../../../model/artifact/query-error.ts'
import { looksLikeRange } from '../../../model/artifact/versions/version-range.ts'
import { lookUpOf } from '../../../model/rules/look-up.ts'
import {
  bookOf,
  judge,
  type Rule,
  ruleOf,
  type RuleQuestion,
  whyNot,
} from '../../../model/rules/rule-book.ts'
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
interface Judged {
  readonly rule: Rule
  readonly says: string
}

const JUDGED_SHAPE: RowShape<Judged> = {
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
    const rules = (await rulesFor(sql, found.type, lookUpOf(found.type, found.name))).map(ruleOf)
    const verdict = judge(bookOf(rules), question)
    const judged = rules.map((rule) => ({ rule, says: saysOf(rule, question, verdict?.rule.id) }))
    const answer = verdict === null ? 'passes: no rule is about it' : answerOf(verdict)
    if (flags.json === true) {
      const decides = verdict === null ? null : { id: verdict.rule.id, action: verdict.mark }
      const output = { answer, decides, rules: judged.map((one) => JUDGED_SHAPE.toOutput(one)) }
      await writeOut(io.stdout, `${safeJson(output, 2)}\n`)
    } else {
      if (judged.length > 0) await printListing(io, 'table', JUDGED_SHAPE, judged)
      await writeOut(io.stdout, `${escapeUnsafe(answer)}\n`)
    }
    return verdict?.mark === 'deny' ? 1 : 0
  })
}

function saysOf(rule: Rule, question: RuleQuestion, decider: string | undefined): string {
  const against = whyNot(rule, question)
  if (against !== null) return `nothing: it is ${against}`
  if (rule.id === decider) return 'decides'
  return rule.isDryRun ? 'nothing: it runs dry' : 'nothing: another rule comes before it'
}

function answerOf({ rule, mark }: { readonly rule: Rule; readonly mark: string }): string {
  const reference = rule.reference === '' ? '' : ` (${rule.reference})`
  if (mark === 'deny') return `denied by rule ${rule.id}: ${rule.reason}${reference}`
  return `passes, and its entry says ${mark} by rule ${rule.id}: ${rule.reason}${reference}`
}

const NOTHING: LoggedPackage = { type: '', name: '', version: '', qualifiers: '' }

/** A package as a request for it would tell it. */
function readFound(text: string, problems: Problems): LoggedPackage {
  try {
    const [reading] = readPackageQuestion(text, RULE_TYPES)
    if (reading === undefined || reading.type === null)
      throw new QueryError(0, 'a package URL, such as pkg:npm/left-pad@1.3.0')
    const { type, name, qualifiers } = reading
    const version = reading.version?.text ?? ''
    if (looksLikeRange(version) || `${name}${version}`.includes('*'))
      throw new QueryError(reading.version?.offset ?? 0, 'one package in one version')
    const pairs = new Map(qualifiers)
    if (type !== 'oci') return { type, name, version, qualifiers: written(pairs) }
    if (name.includes('/') && !pairs.has('repository_url')) pairs.set('repository_url', name)
    const isDigest = version.includes(':')
    if (!isDigest && version !== '') pairs.set('tag', version)
    const image = name.slice(name.lastIndexOf('/') + 1)
    return { type, name: image, version: isDigest ? version : '', qualifiers: written(pairs) }
  } catch (error) {
    if (!(error instanceof QueryError)) throw error
    problems.add(`package: cannot read ${safeJson(text.slice(0, 200))}: ${error.message}`)
    return NOTHING
  }
}

function written(qualifiers: ReadonlyMap<string, string>): string {
  return [...qualifiers].map(([key, value]) => `${key}=${encode(value)}`).join('&')
}
