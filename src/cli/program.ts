import { Command, CommanderError } from 'commander'
import { ConfigError } from '../config/config.ts'
import { EmbeddedPostgresError } from '../embedded/postgres-errors.ts'
import { StoreError } from '../store/errors.ts'
import type { Cli } from './cli.ts'
import { CommandError, NoDatabaseError, OutputClosedError, UsageError } from './errors.ts'
import type { ExitCode, Io } from './output/io.ts'
import { addServeCommands } from './commands/serve.ts'
import { escapeUnsafe } from './output/text.ts'
import { packageVersion } from '../version.ts'

/**
 * Runs the command that `io.argv` names and resolves with the process' exit code: 0 done, 1 the answer is "no" or a failure
 * at run time, 2 usage or configuration error. Never rejects; what went wrong has been printed to stderr.
 */
export async function runCli(io: Io, serve: Cli['serve']): Promise<number> {
  let exitCode = 0
  try {
    const finish = (code: number): void => void (exitCode = code)
    const program = await buildProgram({ io, serve, finish })
    await program.parseAsync([...io.argv], { from: 'user' })
    return exitCode
  } catch (error) {
    return reportFailure(io, error)
  }
}

/** Commands that run the gateway. They start in half the time without the modules of the others. */
const GATEWAY_COMMANDS: ReadonlySet<string | undefined> = new Set(['serve', 'demo'])

/** The command tree: all of it, unless the arguments name one of its commands. */
export async function buildProgram(cli: Cli): Promise<Command> {
  const program = emptyProgram(cli.io)
  addServeCommands(program, cli)
  const [named] = cli.io.argv
  if (!GATEWAY_COMMANDS.has(named)) await (await import('./commands.ts')).addCommands(program, cli, named)
  return program
}

function emptyProgram(io: Io): Command {
  return new Command('waybill')
    .description('One gateway in front of artifact repositories and integration APIs.')
    .version(packageVersion())
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void io.stdout.write(text),
      writeErr: (text) => void io.stderr.write(text),
      // It may quote what was typed.
      outputError: (text, write) => write(`${text.trimEnd().split('\n').map(escapeUnsafe).join(' ')}\n`),
      getOutHelpWidth: () => io.columns,
      getErrHelpWidth: () => io.columns,
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    })
}

/** Prints what went wrong; the last line is plain and begins with `error: `. Returns the exit code. */
export function reportFailure(io: Io, error: unknown): ExitCode {
  const print = (text: string): void => void io.stderr.write(`${text}\n`)
  // Commander has printed its message, or the help or version that was asked for.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
  if (error instanceof OutputClosedError) return 0
  if (error instanceof UsageError || error instanceof ConfigError) {
    printProblems(print, error)
    return 2
  }
  if (io.env['WAYBILL_DEBUG'] === '1') print(stackOf(error))
  if (error instanceof NoDatabaseError) {
    print(`error: ${escapeUnsafe(error.message)}`)
    return 2
  }
  const message = escapeUnsafe(error instanceof Error ? error.message : String(error))
  const isExpected =
    error instanceof CommandError || error instanceof StoreError || error instanceof EmbeddedPostgresError
  print(
    isExpected
      ? `error: ${message}`
      : `error: WAYBILL_INTERNAL: ${message} (this is a bug; WAYBILL_DEBUG=1 shows where)`,
  )
  return 1
}

function printProblems(print: (text: string) => void, error: UsageError | ConfigError): void {
  const what = error instanceof ConfigError ? 'invalid configuration' : 'invalid arguments'
  const { problems } = error
  const [first = ''] = problems
  if (problems.length === 1 && !first.includes('\n')) {
    print(`error: ${what}: ${escapeUnsafe(first)}`)
    return
  }
  for (const problem of problems) print(`  - ${problem.split('\n').map(escapeUnsafe).join('\n')}`)
  print(`error: ${what}: ${problems.length === 1 ? 'see above' : `${problems.length} problems, see above`}`)
}

function stackOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const cause = error.cause === undefined ? '' : `\ncaused by ${stackOf(error.cause)}`
  return (error.stack ?? error.message) + cause
}
