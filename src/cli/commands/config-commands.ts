import type { Command } from 'commander'
import { ConfigError, type Config } from '../../config/config.ts'
import { OPTION_NAMES } from '../../config/options.ts'
import { shownRoute, shownValue } from '../../config/shown-config.ts'
import type { Cli } from '../cli.ts'
import {
  OPTION_SHAPE,
  ROUTE_SHAPE,
  optionLines,
  optionsMarkdown,
  routeKeysMarkdown,
} from './config-report.ts'
import { addConfigFlags, printWarnings, readConfig, type Flags } from '../configuration.ts'
import type { ExitCode, Io } from '../output/io.ts'
import { printListing } from '../output/listing.ts'
import { writeOut } from '../output/output.ts'
import { readServeConfig } from './serve.ts'
import { safeJson } from '../output/text.ts'

interface ConfigFlags {
  readonly json?: boolean
  readonly markdown?: boolean
}

/** Adds `waybill config …`. */
export function addConfigCommands(program: Command, cli: Cli): void {
  const config = program.command('config').description('show or check the configuration')
  const show = config
    .command('show')
    .description('print every effective value and where it came from; secrets are masked')
    .option('--json', 'print one JSON object')
    .option('--markdown', "print the documents' tables of all options and keys of a route")
  addConfigFlags(show).action(async (flags: ConfigFlags) => cli.finish(await showConfig(cli.io, flags)))
  const check = config
    .command('check')
    .description('say all that is wrong with the configuration, and exit with 2, or that nothing is')
    .option('--json', 'print one JSON object')
  addConfigFlags(check).action(async (flags: ConfigFlags) => cli.finish(await checkConfig(cli.io, flags)))
}

async function showConfig(io: Io, flags: ConfigFlags & Flags): Promise<ExitCode> {
  if (flags.markdown === true) {
    await writeOut(io.stdout, `${optionsMarkdown()}\n${routeKeysMarkdown()}`)
    return 0
  }
  const config = readConfig(io, flags)
  printWarnings(io, config)
  if (flags.json === true) {
    await writeOut(io.stdout, `${safeJson(configDocument(config), 2)}\n`)
    return 0
  }
  await writeOut(io.stdout, `file: ${config.file ?? 'none'}\n\n`)
  await printListing(io, 'table', OPTION_SHAPE, optionLines(config))
  await writeOut(io.stdout, '\n')
  await printListing(io, 'table', ROUTE_SHAPE, config.routes)
  return 0
}

function configDocument(config: Config): object {
  const options = OPTION_NAMES.map((name) => [
    name,
    { value: shownValue(config, name), source: config.sources[name] },
  ])
  return {
    file: config.file,
    options: Object.fromEntries(options) as object,
    routes: config.routes.map(shownRoute),
  }
}

async function checkConfig(io: Io, flags: ConfigFlags & Flags): Promise<ExitCode> {
  const problems = configProblems(io, flags)
  if (flags.json === true) {
    await writeOut(io.stdout, `${safeJson({ valid: problems.length === 0, problems }, 2)}\n`)
  } else if (problems.length === 0) {
    await writeOut(io.stdout, 'the configuration is valid\n')
  } else {
    throw new ConfigError(problems)
  }
  return problems.length === 0 ? 0 : 2
}

function configProblems(io: Io, flags: Flags): readonly string[] {
  try {
    // As `serve` reads it: what is valid here starts there.
    printWarnings(io, readServeConfig(io, flags))
    return []
  } catch (error) {
    if (error instanceof ConfigError) return error.problems
    throw error
  }
}
