import { errorCode } from '../lib/error-code.ts'
import { escapeUnsafe } from '../lib/safe-text.ts'
import { stderrLines } from '../logger/line-sink.ts'
import type { DatabaseTarget } from '../model/database-target.ts'
import { databaseProblem } from '../store/database-errors.ts'

/** Codes of errors whose message was written for the operator. */
const OPERATIONAL = /^(?:WAYBILL_|EMBEDDED_POSTGRES_)|^[a-z]+(?:_[a-z]+)+$/

/**
 * Why the gateway failed, in one line for its operator: without stack, and without password. `target`: its database, once it is
 * known. What has no code of ours, the system's or the database's is called a bug.
 */
export function failureText(error: unknown, target: DatabaseTarget | null): string {
  const problem = target === null ? null : databaseProblem(error, target)
  if (problem !== null) return problem
  const message = error instanceof Error ? error.message : String(error)
  const code = errorCode(error)
  const isOperational = OPERATIONAL.test(code) || /^E[A-Z]+$/.test(code)
  return isOperational ? message : `WAYBILL_INTERNAL: ${message} (this is a bug; log.level debug shows where)`
}

/** The last line of a process that failed, plain whatever the format of the log is. Nothing may be logged after it. */
export function sayFailure(text: string): void {
  stderrLines().write(`error: ${escapeUnsafe(text)}\n`)
}
