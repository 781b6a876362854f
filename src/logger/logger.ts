import { pino, type DestinationStream } from 'pino'
import { stderrLines } from './line-sink.ts'
import { harmlessJson } from '../lib/safe-text.ts'
import { prettyLine, type LogFormat } from './pretty.ts'
import { Redaction } from './redaction.ts'

/** Severities, most verbose first; `silent` logs nothing. */
export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'silent'] as const

export type LogLevel = (typeof LOG_LEVELS)[number]

type Severity = Exclude<LogLevel, 'silent'>

/** Writes one line at a severity: fields and a message, or a message alone. An `Error` goes under the field `err`. */
export interface LogMethod {
  (fields: object, message?: string): void
  (message: string): void
}

/**
 * The logger of all parts of the gateway. Never throws and never blocks: unread lines wait, and beyond a bound
 * are dropped and counted. Not for the hot path: measured 6.4 µs for a line of four fields, redaction included, the write
 * to stderr not.
 */
export interface Logger {
  readonly trace: LogMethod
  readonly debug: LogMethod
  readonly info: LogMethod
  readonly warn: LogMethod
  readonly error: LogMethod
  /** A logger whose lines carry these fields as well. Its level follows the root's. */
  child(fields: object): Logger
}

/** The process' logger: the one that the level and the known secrets are set on. */
export interface RootLogger extends Logger {
  /** Least severe level that is written; setting it acts at once, on children too. */
  level: LogLevel
  /** Censors this very text from now on, wherever it appears. Under 8 characters it is not taken. */
  addSecret(text: string): void
  /** How its lines look. */
  readonly format: LogFormat
  /** Lines lost since the start because they were not read. */
  readonly droppedLines: number
}

/** The process that logs. */
export interface LogIdentity {
  /** Version of the product. */
  readonly version: string
  /** Of the process, as its entries have it in `instance`. */
  readonly instance: string
}

export interface LoggerOptions {
  readonly level: LogLevel
  /** `json` when absent. */
  readonly format?: LogFormat
  /** Where the lines go; stderr when absent. */
  readonly destination?: DestinationStream
  /** On every line, beside those of `identity`. */
  readonly fields?: Readonly<Record<string, unknown>>
  /** Who tells; on every line of JSON, by OpenTelemetry's names of a resource. */
  readonly identity?: LogIdentity
  /** Bytes that wait before stderr at most. */
  readonly maxBacklogBytes?: number
}

/**
 * A logger of JSON lines (`level`, `time` in ISO 8601, `msg`, fields), or lines for people, on stderr. No value can break out of
 * its line, or send commands to a terminal. What waits there when the process ends is
 * written then, within a quarter of a second. Keys, credentials and connection passwords are censored in everything it writes.
 */
export function createLogger(options: LoggerOptions): RootLogger {
  const lines = options.destination === undefined ? stderrLines() : null
  if (lines !== null && options.maxBacklogBytes !== undefined) lines.maxBytes = options.maxBacklogBytes
  const destination = options.destination ?? { write: (line: string) => lines?.write(line) }
  const { format = 'json' } = options
  let level = options.level
  const write = (line: string): void => {
    const hasStacks = isVerbose(level)
    destination.write(format === 'json' ? harmlessJson(line) : prettyLine(line, { format, hasStacks }))
  }
  const sink = pino(
    {
      // Filtering is done below: a pino child keeps a level of its own, and ours must all follow the root's.
      level: 'trace',
      base: { ...resourceOf(options.identity), ...options.fields },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      // Errors are plain data by then.
      serializers: { err: (value: unknown) => value },
    },
    { write },
  )
  const redaction = new Redaction()
  redaction.hasAllStacks = isVerbose(level)
  let threshold = LOG_LEVELS.indexOf(level)

  const loggerOver = (target: typeof sink): Logger => {
    const method =
      (severity: Severity): LogMethod =>
      (fields: object | string, message?: string) => {
        if (LOG_LEVELS.indexOf(severity) < threshold) return
        if (typeof fields === 'string') target[severity](redaction.cleanText(fields))
        else
          target[severity](redaction.cleanFields(fields), redaction.cleanText(message ?? messageOf(fields)))
      }
    return {
      trace: method('trace'),
      debug: method('debug'),
      info: method('info'),
      warn: method('warn'),
      error: method('error'),
      child: (fields) => loggerOver(target.child(redaction.cleanFields(fields))),
    }
  }

  const root = loggerOver(sink)
  if (lines !== null) {
    lines.onRecovered = (dropped) =>
      root.warn({ dropped }, 'log lines were dropped: nothing had been reading stderr')
  }
  return {
    ...root,
    format,
    addSecret: (text) => redaction.addSecret(text),
    get droppedLines() {
      return lines?.dropped ?? 0
    },
    get level() {
      return level
    },
    set level(next) {
      level = next
      redaction.hasAllStacks = isVerbose(next)
      threshold = LOG_LEVELS.indexOf(next)
    },
  }
}

/** OpenTelemetry's semantic conventions, Resource: the same that spans have. */
function resourceOf(identity: LogIdentity | undefined): object {
  if (identity === undefined) return {}
  const { version, instance } = identity
  return { 'service.name': 'waybill', 'service.version': version, 'service.instance.id': instance }
}

function isVerbose(level: LogLevel): boolean {
  return level === 'debug' || level === 'trace'
}

function messageOf(fields: object): string {
  if (fields instanceof Error) return fields.message
  return 'err' in fields && fields.err instanceof Error ? fields.err.message : ''
}
