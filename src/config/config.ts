import { readFileSync } from 'node:fs'
import { parseDocument } from 'yaml'
import { errorCode } from '../lib/error-code.ts'
import { OPTION_NAMES, optionEnv, optionRow, type OptionName, type Options } from './options.ts'
import { crossProblems, crossWarnings } from './cross-checks.ts'
import { readRoutes } from './routes.ts'
import { SecretFiles, type SecretFile } from './secret-files.ts'
import { readTlsFiles } from './tls-files.ts'
import { unknownVariables } from './unknown-variables.ts'
import { didYouMean } from '../lib/near-name.ts'
import type { Route } from '../model/route.ts'

/** Where an effective value came from. */
export type ValueSource = 'flag' | 'environment' | 'file' | 'default'

/** A complete, valid configuration. */
export interface Config {
  readonly options: Options
  readonly sources: Readonly<Record<OptionName, ValueSource>>
  readonly routes: readonly Route[]
  /** The names of the file's routes, also where the routes are left out. */
  readonly routeNames: readonly string[]
  /** The file that was read, or null. */
  readonly file: string | null
  /** Those that stand for texts in it: `${file:/path}`. */
  readonly secretFiles: readonly SecretFile[]
  /** Tells what the files of `listen.tls` held from all else that they could; '' for none, or unread. */
  readonly tlsDigest: string
  /** What is probably a mistake, and no reason to refuse. */
  readonly warnings: readonly string[]
}

/** Everything that is wrong with a configuration, one line each, field and allowed values named. Exit code 2. */
export class ConfigError extends Error {
  readonly code = 'WAYBILL_CONFIG'
  readonly problems: readonly string[]

  constructor(problems: readonly string[]) {
    super(`invalid configuration:\n${problems.map((p) => `  - ${p}`).join('\n')}`)
    this.name = 'ConfigError'
    this.problems = problems
  }
}

/** What a configuration is read from. */
export interface ConfigInput {
  /** Path of waybill.yaml; null reads no file. */
  readonly file: string | null
  readonly env: Readonly<Record<string, string | undefined>>
  /** Values given on the command line, by option name. */
  readonly flags: Readonly<Partial<Record<OptionName, string>>>
  /** What was read of files before; nothing unless told. */
  readonly secrets?: SecretFiles
  /** Leaves the routes out, unread: for commands that only need the database and may lack the routes' secrets. */
  readonly ignoreRoutes?: boolean
}

/**
 * Reads file, environment and flags into one configuration; flag over environment over file over default.
 * Throws `ConfigError` with all problems at once.
 */
export function loadConfig(input: ConfigInput): Config {
  const problems: string[] = []
  const secrets = input.secrets ?? new SecretFiles()
  const { tree, routeNames, source } = readFile(input, secrets, problems)
  const { routes: routesValue, ...optionTree } = tree
  const fileValues = flatten(optionTree, problems)
  const options: Record<string, unknown> = {}
  const sources: Record<string, ValueSource> = {}
  const unreadable: OptionName[] = []
  for (const name of OPTION_NAMES) {
    const found = pick(name, input, fileValues)
    const row = optionRow(name)
    sources[name] = found.source
    options[name] = row.default
    if (found.source === 'default') continue
    try {
      options[name] = row.read(found.value)
    } catch (error) {
      unreadable.push(name)
      const shown = row.isSecret === true ? '' : ` "${String(found.value).slice(0, 100)}"`
      problems.push(`${found.label}${shown}: ${(error as RangeError).message}`)
    }
  }
  const { routes, problems: routeProblems } = readRoutes(routesValue)
  problems.push(...routeProblems)
  // A problem between options, one of which could not be read, would only repeat that.
  const isNew = (problem: string): boolean => !unreadable.some((name) => problem.includes(name))
  problems.push(...crossProblems(options as Options).filter(isNew))
  // Commands that only need the database may not be allowed to read the keys.
  const tls = readTlsFiles(input.ignoreRoutes === true ? [] : (options as Options)['listen.tls'])
  problems.push(...tls.problems)
  if (problems.length > 0) throw new ConfigError(problems)
  return {
    options: options as Options,
    sources: sources as Record<OptionName, ValueSource>,
    routes,
    routeNames,
    file: input.file,
    warnings: [...unknownVariables(input.env, source), ...crossWarnings(options as Options, routes)],
    secretFiles: secrets.take(),
    tlsDigest: tls.digest,
  }
}

interface Found {
  readonly value: unknown
  readonly source: ValueSource
  /** How the value is named in a message. */
  readonly label: string
}

function pick(name: OptionName, input: ConfigInput, fileValues: ReadonlyMap<OptionName, unknown>): Found {
  const flag = input.flags[name]
  if (flag !== undefined) return { value: flag, source: 'flag', label: name }
  const env = optionEnv(name)
  const fromEnv = input.env[env]
  if (fromEnv !== undefined && fromEnv !== '') return { value: fromEnv, source: 'environment', label: env }
  if (fileValues.has(name)) return { value: fileValues.get(name), source: 'file', label: name }
  return { value: undefined, source: 'default', label: name }
}

type Tree = Record<string, unknown>

interface ReadFile {
  readonly tree: Tree
  readonly routeNames: readonly string[]
  readonly source: string
}

const NOTHING: ReadFile = { tree: {}, routeNames: [], source: '' }

function readFile(input: ConfigInput, secrets: SecretFiles, problems: string[]): ReadFile {
  const { file } = input
  if (file === null) return NOTHING
  let source: string
  try {
    source = readFileSync(file, 'utf8')
  } catch (error) {
    problems.push(`${file}: cannot be read (${errorCode(error)})`)
    return NOTHING
  }
  const document = parseDocument(source)
  for (const error of document.errors)
    problems.push(`${file}: ${error.message.split('\n')[0] ?? 'invalid YAML'}`)
  if (document.errors.length > 0) return NOTHING
  const tree: unknown = document.toJS({ maxAliasCount: 100 })
  if (tree === null || tree === undefined) return NOTHING
  if (typeof tree !== 'object' || Array.isArray(tree)) {
    problems.push(`${file}: must be a mapping of options and routes`)
    return NOTHING
  }
  const { routes, ...rest } = tree as Tree
  const wanted = input.ignoreRoutes === true || routes === undefined ? rest : { ...rest, routes }
  return {
    tree: substitute(wanted, '', { env: input.env, secrets, problems }) as Tree,
    routeNames: namesOf(routes),
    source,
  }
}

function namesOf(routes: unknown): string[] {
  if (!Array.isArray(routes)) return []
  const names = routes.map((route) => (route as { name?: unknown } | null)?.name)
  return names.filter((name) => typeof name === 'string')
}

/** What texts are replaced from, and where problems go. */
interface Sources {
  readonly env: ConfigInput['env']
  readonly secrets: SecretFiles
  readonly problems: string[]
}

const REFERENCE = /\$\{(?:env:([A-Za-z_][A-Za-z0-9_]*)|file:([^{}]+))\}/g

/**
 * Replaces `${env:NAME}` and `${file:/path}` in every text of the tree; a variable that is not set, or a file that cannot be read, is a
 * problem, never an empty text.
 */
function substitute(value: unknown, at: string, from: Sources): unknown {
  if (typeof value === 'string') {
    return value.replace(REFERENCE, (_whole, name: string | undefined, path: string) => {
      if (name === undefined) return textOf(path, at, from)
      const found = from.env[name]
      if (found === undefined) from.problems.push(`${at}: environment variable ${name} is not set`)
      return found ?? ''
    })
  }
  if (Array.isArray(value)) return value.map((v, i) => substitute(v, `${at}[${i}]`, from))
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).map(([key, v]): [string, unknown] => [
    key,
    substitute(v, at === '' ? key : `${at}.${key}`, from),
  ])
  return Object.fromEntries(entries)
}

function textOf(path: string, at: string, { secrets, problems }: Sources): string {
  const read = secrets.read(path)
  if ('text' in read) return read.text
  problems.push(`${at}: the file ${path} ${read.problem}`)
  return ''
}

const GROUPS = OPTION_NAMES.map((name) => name.split('.').slice(0, -1).join('.'))

function hintFor(name: string): string {
  const hint = didYouMean(name, new Set(['routes', ...OPTION_NAMES, ...GROUPS]))
  return hint === '' ? '; the options are listed by "waybill config show"' : hint
}

/** Turns the nested tree of the file into option names; unknown names are problems. */
function flatten(tree: Tree, problems: string[]): Map<OptionName, unknown> {
  const values = new Map<OptionName, unknown>()
  const known = new Set<string>(OPTION_NAMES)
  const walk = (node: Tree, prefix: string): void => {
    for (const [key, value] of Object.entries(node)) {
      const name = `${prefix}${key}`
      const isGroup = OPTION_NAMES.some((n) => n.startsWith(`${name}.`))
      if (known.has(name)) values.set(name as OptionName, value)
      else if (isGroup && typeof value === 'object' && value !== null && !Array.isArray(value))
        walk(value as Tree, `${name}.`)
      else if (isGroup) problems.push(`${name}: must be a mapping of options`)
      else problems.push(`${name}: unknown option${hintFor(name)}`)
    }
  }
  walk(tree, '')
  return values
}
