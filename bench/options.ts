import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { CANDIDATES } from './candidates.ts'
import { EXTRAS } from './extras.ts'
import { productIn, ROOT } from './harness/paths.ts'
import { SCENARIOS } from './scenarios.ts'

/** What a run shall do. */
export interface BenchOptions {
  readonly isQuick: boolean
  readonly candidates: readonly string[]
  /** Scenarios and extras, by name. */
  readonly scenarios: readonly string[]
  readonly rounds: number
  readonly seconds: number
  /** The candidate's CPU; null: the first. */
  readonly cpu: number | null
  /** Folder of another checkout whose build of Waybill takes part as well. */
  readonly against: string | null
  /** Candidates start anew for each round of a scenario. */
  readonly isFresh: boolean
  /** Folder of the result file, the plots and the tables. */
  readonly out: string
}

const QUICK_SCENARIOS = ['1k', 'latency', 'outage', 'start', 'writer']

/** No goal hangs on these. */
const QUICK_LEAVES_OUT = new Set([
  'waybill-no-limits',
  'waybill-public',
  'waybill-unstored',
  'waybill-journal',
])

/** The command line could not be understood. */
export class UsageError extends Error {}

/** Reads the command line. Throws UsageError; null when help was asked for. */
export function readOptions(args: readonly string[]): BenchOptions | null {
  const { values } = parse(args)
  if (values.help === true) return null
  const isQuick = values.quick === true
  const everything = [...SCENARIOS, ...EXTRAS].map(({ name }) => name)
  const names = CANDIDATES.map(({ name }) => name)
  const usual = isQuick ? names.filter((name) => !QUICK_LEAVES_OUT.has(name)) : names
  const candidates = chosen('--only', values.only, names, usual)
  const scenarios = chosen('--scenario', values.scenario, everything, isQuick ? QUICK_SCENARIOS : everything)
  const rounds = numberOf('--rounds', values.rounds, isQuick ? 3 : 5)
  const seconds = numberOf('--seconds', values.seconds, isQuick ? 1.5 : 3)
  const isWhole = candidates.length === names.length && scenarios.length === everything.length
  const against = values.against === undefined ? null : checkoutAt(values.against)
  const out =
    values.out ??
    join(ROOT, ...(isWhole && !isQuick && against === null ? ['docs', 'bench'] : ['.cache', 'bench']))
  const cpu = values.cpu === undefined ? null : numberOf('--cpu', values.cpu, 0, 0)
  const isFresh = values.fresh === true
  return { cpu, isQuick, candidates, scenarios, rounds, seconds, against, isFresh, out }
}

function parse(args: readonly string[]): {
  values: { [name: string]: string | boolean | undefined } & Strings
} {
  try {
    return parseArgs({
      args: [...args],
      options: {
        quick: { type: 'boolean' },
        only: { type: 'string' },
        scenario: { type: 'string' },
        rounds: { type: 'string' },
        seconds: { type: 'string' },
        cpu: { type: 'string' },
        against: { type: 'string' },
        fresh: { type: 'boolean' },
        out: { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    })
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error), { cause: error })
  }
}

interface Strings {
  readonly only?: string | undefined
  readonly scenario?: string | undefined
  readonly rounds?: string | undefined
  readonly seconds?: string | undefined
  readonly cpu?: string | undefined
  readonly against?: string | undefined
  readonly out?: string | undefined
}

/** The folder, made absolute: candidates run in folders of their own. */
function checkoutAt(folder: string): string {
  const product = productIn(resolve(folder))
  if (!existsSync(product)) throw new UsageError(`--against needs a checkout with a build: no ${product}`)
  return resolve(folder)
}

function chosen(
  flag: string,
  list: string | undefined,
  known: readonly string[],
  otherwise: readonly string[],
): readonly string[] {
  if (list === undefined) return otherwise
  const names = list.split(',')
  const unknown = names.filter((name) => !known.includes(name))
  if (unknown.length > 0)
    throw new UsageError(`${flag} knows no ${unknown.join(', ')}; it knows ${known.join(', ')}`)
  return known.filter((name) => names.includes(name))
}

function numberOf(
  flag: string,
  text: string | undefined,
  otherwise: number,
  least = Number.MIN_VALUE,
): number {
  if (text === undefined) return otherwise
  const value = Number(text)
  if (!(value >= least)) throw new UsageError(`${flag} needs a number${least > 0 ? ' above 0' : ''}`)
  return value
}

/** The text for --help. */
export function help(): string {
  const list = (items: readonly { readonly name: string; readonly what: string }[]): string =>
    items.map(({ name, what }) => `  ${name.padEnd(20)} ${what}`).join('\n')
  return `make bench ARGS="…", or npm run bench -- …

  --quick              1 KiB, latency, outage, start and writer only, without some variants, 3 rounds of 1.5 s: a few minutes
  --only a,b           only these candidates
  --scenario a,b       only these scenarios
  --rounds N           rounds of the scenarios with goals (5, quick 3); of others 60 %
  --seconds N          of each measurement (3, quick 1.5)
  --cpu N              the candidate's CPU (the first); all others are for load, upstream and PostgreSQL
  --against FOLDER     another checkout, built: Waybill of that build takes part too, as waybill@other, and is compared round by round
  --fresh              every candidate starts anew for each round, so that no process' luck lasts for the whole run
  --out FOLDER         where result.json, results.md and plots go (docs/bench for a whole run, else .cache/bench)

candidates
${list(CANDIDATES)}

scenarios
${list([...SCENARIOS, ...EXTRAS])}
`
}
