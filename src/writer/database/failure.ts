import { ENTRY_COLUMN_NAMES } from '../../model/entry-columns.ts'

/**
 * What a failed attempt calls for.
 * `retry`: the same again, later. `missing_partition`: make it, then the same again. `rejected`: a row that will never be taken;
 * the rest of the batch can be. `unusable`: the database is not as the product needs it; the operator is told, and the
 * same again, later, for nothing is lost by trying. `suspect`: an error that says nothing of the database as a whole, as one that
 * a trigger invents, or a damaged page: whether a row, the batch or the database is the cause is found out by trying others.
 */
export type FailureKind = 'retry' | 'missing_partition' | 'rejected' | 'unusable' | 'suspect'

/**
 * SQLSTATE, or its class (the first two characters), → kind; PostgreSQL manual, Appendix A. What is not in the table is `suspect`
 * when the server says it, and taken for transient, `retry`, when the driver or a socket does.
 */
export const KIND_BY_SQLSTATE: Readonly<Record<string, FailureKind>> = {
  '08': 'retry', // connection exception
  '08P01': 'unusable', // protocol violation: a pooler that refuses the session's settings
  '40': 'retry', // transaction rollback: deadlock, serialization
  '53': 'retry', // insufficient resources: disk full, out of memory, too many connections
  '55P03': 'retry', // lock not available
  '57014': 'retry', // query cancelled: statement_timeout
  '57P01': 'retry', // admin shutdown
  '57P02': 'retry', // crash shutdown
  '57P03': 'retry', // cannot connect now: starting up, in recovery
  '58': 'retry', // system error outside Postgres: I/O
  '23514': 'missing_partition', // check violation without a constraint's name: no partition takes the row
  '22': 'rejected', // data exception
  '23': 'rejected', // integrity constraint violation
  '54': 'rejected', // program limit exceeded: an index row too large
  P0: 'rejected', // raised by a trigger: an operator's rule for rows
  '42': 'unusable', // no such table or column, no privilege
  '28': 'unusable', // invalid authorization
  '3D': 'unusable', // no such database
  '0A': 'unusable', // not supported: COPY into a table with row level security
  '25006': 'unusable', // read-only transaction: a standby
  XX: 'suspect', // internal error: a damaged page or index
}

/** Longest text of the server that is kept. */
const MAX_DETAIL = 200

/** Names of the constraints that a batch meets when it, or another of its number or with its seqs, is stored already. */
const NUMBER_KEYS = new Set(['access_ledger_pkey', 'quarantine_entry'])

/** An attempt to store a batch that failed, or whose end is not known. */
export class BatchError extends Error {
  override readonly name = 'BatchError'
  /** SQLSTATE, or the socket's or driver's code (`ECONNREFUSED`), or `timeout`, or `unknown`. */
  readonly code: string
  readonly kind: FailureKind
  /** Whether it is the connection's, or the server's as a whole: no other batch could be stored either. */
  readonly isOfConnection: boolean
  /** Row of the batch, counted from 1, that Postgres blames; null when it names none. */
  readonly line: number | null
  /** What Postgres says of it, without any value. */
  readonly detail: string

  constructor(
    message: string,
    details: {
      code: string
      kind: FailureKind
      isOfConnection?: boolean
      line?: number | null
      detail?: string
      cause?: unknown
    },
  ) {
    super(message, { cause: details.cause })
    this.code = details.code
    this.kind = details.kind
    // A server that complains about rows works.
    const isOfRows = details.kind === 'rejected' || details.kind === 'missing_partition'
    this.isOfConnection = details.isOfConnection ?? (!isOfRows && isOfConnection(details.code, true))
    this.line = details.line ?? null
    this.detail = details.detail ?? ''
  }
}

/** Kind of a failure by SQLSTATE, `isOfServer`, or by the code of a socket or driver error. */
export function failureKind(code: string, isOfServer = false): FailureKind {
  const known = KIND_BY_SQLSTATE[code] ?? (code.length === 5 ? KIND_BY_SQLSTATE[code.slice(0, 2)] : undefined)
  return known ?? (isOfServer ? 'suspect' : 'retry')
}

/** Codes with which a server refuses or ends a connection. Errors of the driver or a socket count as the connection's, too. */
const OF_CONNECTION = /^(08...|28...|3D...|57P0.|53300|25006)$/

function isOfConnection(code: string, isOfServer: boolean): boolean {
  return !isOfServer || !/^[0-9A-Z]{5}$/.test(code) || code === 'EPIPE' || OF_CONNECTION.test(code)
}

/** Whether the code is one with which a server ends a connection. A trigger can raise the same code for a row, and ends none. */
export function isWordOfEnd(error: unknown): boolean {
  return OF_CONNECTION.test(textProperty(error, 'code'))
}

/**
 * The error of a driver as a BatchError; one that is a BatchError already comes back as it is. `isEnd`: the server has ended the connection
 * with it. The row that it then names is the one that it had come to.
 */
export function toBatchError(error: unknown, isEnd = false): BatchError {
  if (error instanceof BatchError) return error
  const code = textProperty(error, 'code') || 'unknown'
  // Only what the server sends has one.
  const isOfServer = textProperty(error, 'severity') !== ''
  const line = isEnd ? null : blamedLine(textProperty(error, 'where'))
  return new BatchError(`access log batch not stored: ${code}`, {
    code,
    // A bound of a partition has no name; a CHECK has one: it is an operator's, and the row will never be taken.
    kind:
      code === '23514' && textProperty(error, 'constraint') !== ''
        ? 'rejected'
        : failureKind(code, isOfServer),
    // A refused or ended connection names no row: a code with a row was raised by a trigger.
    isOfConnection: line === null && isOfConnection(code, isOfServer),
    line,
    detail: wordsWithoutValues(textProperty(error, 'message'), textProperty(error, 'where')),
    cause: error,
  })
}

/** Whether the error says that the number is taken: an earlier attempt was committed, or another batch has it. */
export function isNumberTaken(error: unknown): boolean {
  return textProperty(error, 'code') === '23505' && NUMBER_KEYS.has(textProperty(error, 'constraint'))
}

/** Postgres took rows and did not keep them: a trigger or rule of the table skips them. Which ones has to be found out. */
export function skippedRows(rows: number | null = null): BatchError {
  const detail = `${rows === null ? '' : `${rows} `}rows skipped by a trigger or rule of the table`
  return new BatchError(`access log batch not stored: ${detail}`, {
    code: 'skipped',
    kind: 'rejected',
    detail: 'skipped by a trigger or rule of the table',
  })
}

/** `COPY access_log, line 3, column status: "x"`; the words after the name are in the server's language, the number is not. */
function blamedLine(where: string): number | null {
  const line = /^COPY access_log\D+(\d+)/m.exec(where)?.[1]
  return line === undefined ? null : Number(line)
}

/** `invalid input syntax for type integer, column status`: values stand in quotes, or after a colon. */
function wordsWithoutValues(message: string, where: string): string {
  const words = (/^[^"'“”«»„:(\d]*/.exec(message)?.[0] ?? '').trim().slice(0, MAX_DETAIL)
  const name = /^COPY access_log\D+\d+\W+\p{L}+\W+([a-z_]+)/mu.exec(where)?.[1]
  const column = ENTRY_COLUMN_NAMES.find((each) => each === name)
  return column === undefined ? words : `${words}, column ${column}`
}

function textProperty(error: unknown, name: string): string {
  if (typeof error !== 'object' || error === null) return ''
  const value = (error as Readonly<Record<string, unknown>>)[name]
  return typeof value === 'string' ? value : ''
}
