import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { Option, type Command } from 'commander'
import { loadConfig, type Config } from '../config/config.ts'
import { OPTION_NAMES, optionFlag, optionRow, type OptionName } from '../config/options.ts'
import type { Io } from './output/io.ts'
import { escapeUnsafe } from './output/text.ts'
import { SecretFiles } from '../config/secret-files.ts'

/** Parsed flags as commander hands them over: an object by camel-cased name. */
export type Flags = object

/** The options that a command needs to find its database. */
export const DATABASE_OPTIONS = [
  'database.url',
  'database.readerUrl',
  'database.statementTimeoutMs',
  'stateDir',
] as const satisfies readonly OptionName[]

const DEFAULT_FILE = 'WAYBILL_CONFIG, else waybill.yaml if there'

/** Adds `--config` and a flag for each of the named options of the table. */
export function addConfigFlags(
  command: Command,
  names: readonly OptionName[] = OPTION_NAMES,
  defaultFile: string = DEFAULT_FILE,
): Command {
  command.option('--config <file>', `configuration file (default: ${defaultFile})`)
  for (const name of names) command.addOption(tableOption(name))
  return command
}

/** Reads file, environment and flags of a command; throws `ConfigError` with all problems. */
export function readConfig(
  io: Io,
  flags: Flags,
  overrides: { file?: string | null; ignoreRoutes?: boolean; secrets?: SecretFiles } = {},
): Config {
  const file = overrides.file === undefined ? configFile(io, flags) : overrides.file
  const { ignoreRoutes = false, secrets = new SecretFiles() } = overrides
  return loadConfig({ file, env: io.env, flags: optionFlags(flags), ignoreRoutes, secrets })
}

/** Prints what is probably a mistake in the configuration of a command. */
export function printWarnings(io: Io, { warnings }: Config): void {
  for (const warning of warnings) io.stderr.write(`warning: ${escapeUnsafe(warning)}\n`)
}

/** The configuration file that a command reads, or null: `--config`, else WAYBILL_CONFIG, else waybill.yaml here. */
export function configFile(io: Io, flags: Flags): string | null {
  const given = (flags as Record<string, unknown>)['config']
  if (typeof given === 'string') return resolve(io.cwd, given)
  const named = io.env['WAYBILL_CONFIG'] ?? ''
  if (named !== '') return resolve(io.cwd, named)
  const here = resolve(io.cwd, 'waybill.yaml')
  return existsSync(here) ? here : null
}

function optionFlags(flags: Flags): Partial<Record<OptionName, string>> {
  const values: Partial<Record<OptionName, string>> = {}
  for (const name of OPTION_NAMES) {
    const value = (flags as Record<string, unknown>)[tableOption(name).attributeName()]
    if (typeof value === 'string') values[name] = value
  }
  return values
}

function tableOption(name: OptionName): Option {
  const row = optionRow(name)
  const shown = valueText(row.default)
  return new Option(
    `--${optionFlag(name)} <value>`,
    `${row.help}${shown === '' ? '' : ` (default: ${shown})`}`,
  )
}

/** An option's value in one line: lists with commas, mappings as JSON, empty for nothing. */
export function valueText(value: unknown): string {
  if (typeof value !== 'object' || value === null) return String(value)
  if (!Array.isArray(value)) return Object.keys(value).length === 0 ? '' : JSON.stringify(value)
  const isPlain = value.every((v) => typeof v !== 'object')
  return isPlain ? value.join(',') : value.map((v: object) => Object.values(v).join(',')).join(';')
}
