import { errorCode } from '../lib/error-code.ts'
import type { DatabaseTarget } from '../model/database-target.ts'

/** What the drivers and the system say when the server cannot be reached, or was reached and is gone again. */
const UNREACHABLE = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOENT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EPIPE',
  'EACCES',
  'ETIMEDOUT',
  'CONNECT_TIMEOUT',
  'CONNECTION_CLOSED',
  'CONNECTION_DESTROYED',
  'CONNECTION_ENDED',
  // SQLSTATE class 57P and 53300: shutting down, starting up, no connection left.
  '57P01',
  '57P02',
  '57P03',
  '53300',
])

/** SQLSTATE of a missing schema, table, column or function (PostgreSQL manual, appendix A). */
const SCHEMA = new Set(['3F000', '42P01', '42703', '42883'])

/** Whether the statement met a table or column that is not there. */
export function isSchemaError(error: unknown): boolean {
  return SCHEMA.has(errorCode(error))
}

/**
 * The failure of a driver in one line for the user: host and port, never the password. Null when it is no database error.
 * Matched by code; the server's own message is passed on, it names what was refused.
 */
export function databaseProblem(error: unknown, target: DatabaseTarget): string | null {
  const code = errorCode(error)
  const at = `${target.host}:${target.port}`
  if (isSystemErrorElsewhere(error)) return null
  if (UNREACHABLE.has(code)) {
    return `the database at ${at} cannot be reached (${code})`
  }
  if (code === '57014') {
    return 'the database took longer than permitted: ask for less (--since, --tenant), or raise database.statementTimeoutMs'
  }
  if (code === '42501' && (error as Error).message.includes('row-level security')) {
    return `the database at ${at} refused: the role of this connection sees single tenants only; it must own the tables or have BYPASSRLS`
  }
  if (code === '08P01') {
    return `the database at ${at} refused: ${(error as Error).message} (SQLSTATE 08P01); is it a pooler? See docs/operating.md, PgBouncer`
  }
  // Every SQLSTATE holds a digit; EPERM and its like do not.
  if (!/^(?=.*\d)[0-9A-Z]{5}$/.test(code)) return null
  return `the database at ${at} refused: ${(error as Error).message} (SQLSTATE ${code})`
}

/** File errors share codes with sockets (ENOENT of a folder, EPIPE of stdout), but their system call tells them apart. */
function isSystemErrorElsewhere(error: unknown): boolean {
  const syscall: unknown = (error as { syscall?: unknown } | null)?.syscall
  return (
    typeof syscall === 'string' &&
    !/^(connect|read|getaddrinfo)$/.test(syscall) &&
    errorCode(error) !== 'EPIPE'
  )
}
