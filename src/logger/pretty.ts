import { escapeUnsafe, safeJson } from '../lib/safe-text.ts'

/** How log lines look: for programs, for people, for people at a terminal with colours. */
export type LogFormat = 'json' | 'pretty' | 'coloured'

/** What the option `log.format` comes to where the lines go. NO_COLOR is https://no-color.org's; a dumb terminal has no colours. */
export function logFormatOf(
  option: 'auto' | 'json' | 'pretty',
  { isTty, env }: { isTty: boolean; env: Readonly<Record<string, string | undefined>> },
): LogFormat {
  if (option === 'json' || (option === 'auto' && !isTty)) return 'json'
  const isPlain = !isTty || (env['NO_COLOR'] ?? '') !== '' || env['TERM'] === 'dumb'
  return isPlain ? 'pretty' : 'coloured'
}

/** Fields that say which process it is: people look at one. */
const RESOURCE = 'service.'
const RESET = '\u001b[0m'
const DIM = '\u001b[2m'
const COLOURS: Readonly<Record<string, string>> = {
  trace: DIM,
  debug: DIM,
  warn: '\u001b[33m',
  error: '\u001b[31m',
}

/**
 * A line of JSON of the logger as a line for people: `09:30:00.123Z warn  batch not stored  attempt=3 err="…"`. Everything that came from
 * outside is escaped piece by piece. Stacks, if wanted, follow indented.
 */
export function prettyLine(json: string, options: { format: LogFormat; hasStacks: boolean }): string {
  const { level, time, msg, ...fields } = JSON.parse(json) as Record<string, unknown>
  const stacks: string[] = []
  const told = Object.entries(fields).filter(([name]) => !name.startsWith(RESOURCE))
  const pairs = told.map(([name, value]) => {
    const isError = typeof value === 'object' && value !== null && 'message' in value
    if (isError && options.hasStacks && 'stack' in value)
      stacks.push(...String(value.stack).split('\n').slice(1))
    return `${escapeUnsafe(name)}=${isError ? safeJson(errorText(value)) : valueText(value)}`
  })
  const paint = (code: string | undefined, text: string): string =>
    options.format === 'coloured' && code !== undefined ? `${code}${text}${RESET}` : text
  const head = [
    paint(DIM, String(time).slice(11)),
    paint(COLOURS[String(level)], String(level).padEnd(5)),
    escapeUnsafe(String(msg)),
  ]
  const line = [head.join(' '), ...(pairs.length === 0 ? [] : [paint(DIM, pairs.join(' '))])].join('  ')
  return `${[line, ...stacks.map((at) => paint(DIM, `    ${escapeUnsafe(at.trim())}`))].join('\n')}\n`
}

/** Texts without blanks or quotes as they are, all else as JSON. */
function valueText(value: unknown): string {
  return typeof value === 'string' && /^[\w@%+./:,*-]+$/.test(value) ? value : safeJson(value)
}

/** Message, code and causes, as deep as the logger keeps them. */
function errorText(error: object): string {
  const { message, code, cause } = error as { message?: unknown; code?: unknown; cause?: unknown }
  const text = String(message)
  const isNew = typeof code === 'string' && !text.includes(code)
  const why = typeof cause === 'object' && cause !== null ? `: ${errorText(cause)}` : ''
  return `${text}${isNew ? ` (${code})` : ''}${why}`
}
