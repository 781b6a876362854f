import type { ServerResponse } from 'node:http'
import { errorCode } from '../lib/error-code.ts'

/** An error answer: RFC 9457, `application/problem+json`. Its texts are for the caller and name nothing internal. */
export interface Problem {
  readonly status: number
  readonly title: string
  readonly detail?: string
  /** What is wrong with each parameter. */
  readonly errors?: readonly ParameterProblem[]
  readonly headers?: Readonly<Record<string, string>>
}

export interface ParameterProblem {
  readonly parameter: string
  readonly detail: string
}

/** Parameters that cannot be used, all of them at once. */
export class ParameterError extends Error {
  readonly code = 'WAYBILL_PARAMETER'
  readonly problems: readonly ParameterProblem[]

  constructor(problems: readonly ParameterProblem[]) {
    super(problems.map(({ parameter, detail }) => `${parameter}: ${detail}`).join('; '))
    this.name = 'ParameterError'
    this.problems = problems
  }
}

/** A query took longer than the listener waits. */
export class DeadlineError extends Error {
  readonly code = 'WAYBILL_DEADLINE'

  constructor() {
    super('the query took too long')
    this.name = 'DeadlineError'
  }
}

// SQLSTATE classes: connection, insufficient resources, operator intervention, wrong credentials, no such database; then what
// the system and postgres.js call a connection that cannot be had.
const DATABASE_AWAY =
  /^(?:08|53|57P|28|3D)|^CONNECT(?:ION)?_|^(?:ECONN\w+|ENOENT|ENOTFOUND|EAI_AGAIN|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|EPIPE)$/

/** True when an error says that the database cannot be reached or does not let us in. */
export function isDatabaseAway(error: unknown): boolean {
  const code = errorCode(error)
  if (code !== 'unknown') return DATABASE_AWAY.test(code)
  // Node reports a name with several addresses, none of which answered, as one error with the others inside.
  return error instanceof AggregateError && error.errors.some(isDatabaseAway)
}

/** What the caller is told of a failure. */
export function problemOf(error: unknown): Problem {
  if (error instanceof ParameterError) {
    return { status: 400, title: 'Invalid parameters', detail: error.message, errors: error.problems }
  }
  // 57014: the statement timeout of the reader.
  if (error instanceof DeadlineError || errorCode(error) === '57014') {
    const detail = 'Ask for less: a shorter time, one tenant, fewer entries.'
    return { status: 503, title: 'The query took too long', detail }
  }
  // A standby, or one that was told to take no changes.
  if (errorCode(error) === '25006') {
    return { status: 503, title: 'The database takes no changes', headers: { 'retry-after': '5' } }
  }
  if (isDatabaseAway(error)) {
    const headers = { 'retry-after': '5' }
    return { status: 503, title: 'The database is not available', headers }
  }
  return { status: 500, title: 'Internal error', detail: 'The log of the gateway says more.' }
}

/** Answers with a problem document; does nothing when the answer has begun. */
export function sendProblem(response: ServerResponse, problem: Problem): void {
  if (response.headersSent) return
  const { headers, ...fields } = problem
  const body = JSON.stringify(fields)
  response.writeHead(problem.status, {
    ...headers,
    'content-type': 'application/problem+json',
    'content-length': Buffer.byteLength(body),
  })
  response.end(body)
}
