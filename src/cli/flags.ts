import type { Command } from 'commander'
import { FORMATS, type Format } from './output/listing.ts'
import type { Problems } from './problems.ts'

/** For commander: gathers a repeatable option into a list. */
export function collect(value: string, previous: readonly string[] | undefined): readonly string[] {
  return [...(previous ?? []), value]
}

/** Flags that say how a listing is printed. */
export interface FormatFlags {
  readonly format?: string
  readonly json?: boolean
}

/** Adds `--format` and `--json` to a listing's command. */
export function addFormatFlags(command: Command): Command {
  return command
    .option('--format <format>', `${FORMATS.join(', ')} (default: table)`)
    .option('--json', 'the same as --format json: one JSON array')
}

/** The format that the flags ask for. */
export function readFormat(flags: FormatFlags, problems: Problems): Format {
  const format = flags.format === undefined ? undefined : problems.choice('--format', flags.format, FORMATS)
  if (flags.json === true && format !== undefined && format !== 'json') {
    problems.add(`--json contradicts --format ${format}`)
  }
  return format ?? (flags.json === true ? 'json' : 'table')
}
