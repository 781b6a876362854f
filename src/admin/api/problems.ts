import { z } from '@hono/zod-openapi'
import { HTTPException } from 'hono/http-exception'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import type { StoreErrorCode } from '../../store/errors.ts'
import { StoreError } from '../../store/errors.ts'
import { ParameterError, problemOf } from '../problem.ts'

/** The form of every error answer: RFC 9457, with a stable `code`. */
export const PROBLEM = z
  .object({
    status: z.int().min(400).max(599),
    title: z.string(),
    code: z.string().openapi({ description: 'Stable; match on this.' }),
    detail: z.string().optional(),
    errors: z
      .array(z.object({ field: z.string(), detail: z.string() }))
      .optional()
      .openapi({ description: 'What is wrong with each field, all of them at once.' }),
  })
  .openapi('Problem')

export type ProblemBody = z.infer<typeof PROBLEM>

/** A refusal of the API's. */
export class ApiError extends Error {
  readonly body: ProblemBody
  readonly headers: Readonly<Record<string, string>>

  constructor(
    status: ContentfulStatusCode,
    code: string,
    { title, detail, headers = {} }: { title: string; detail?: string; headers?: Record<string, string> },
  ) {
    super(title)
    this.name = 'ApiError'
    this.body = { status, title, code, ...(detail === undefined ? {} : { detail }) }
    this.headers = headers
  }

  /** A field that is refused for what only the handler knows. */
  static ofField(field: string, detail: string): ApiError {
    const error = new ApiError(400, 'invalid', { title: 'Invalid request', detail: `${field}: ${detail}` })
    error.body.errors = [{ field, detail }]
    return error
  }
}

/** What the store refuses, as a status; what is not here is 409. */
const STORE_STATUS: Partial<Record<StoreErrorCode, number>> = {
  tenant_not_found: 404,
  key_not_found: 404,
  token_not_found: 404,
  session_not_found: 404,
  quarantine_not_found: 404,
  delivery_not_found: 404,
  rule_not_found: 404,
  stale_version: 412,
  series_too_large: 400,
}

const STORE_TITLES: Readonly<Record<number, string>> = { 400: 'Invalid request', 404: 'Not found' }

/** What a caller is told of a failure. */
export function problemBody(error: unknown): {
  body: ProblemBody
  headers: Readonly<Record<string, string>>
} {
  if (error instanceof ApiError) return error
  // The framework's own: JSON that cannot be read.
  if (error instanceof HTTPException)
    return {
      body: { status: error.status, title: 'Invalid request', code: 'invalid', detail: error.message },
      headers: {},
    }
  if (error instanceof z.ZodError) return { body: invalid(error), headers: {} }
  if (error instanceof StoreError) {
    const status = STORE_STATUS[error.code] ?? 409
    const title = STORE_TITLES[status] ?? 'Conflict'
    return { body: { status, title, code: error.code, detail: error.message }, headers: {} }
  }
  const { status, title, detail, headers = {} } = problemOf(error)
  const errors = error instanceof ParameterError ? error.problems : undefined
  return {
    body: {
      status,
      title,
      code: CODES[status] ?? 'internal',
      ...(detail === undefined ? {} : { detail }),
      ...(errors === undefined
        ? {}
        : { errors: errors.map(({ parameter, detail: what }) => ({ field: parameter, detail: what })) }),
    },
    headers,
  }
}

const CODES: Readonly<Record<number, string>> = { 400: 'invalid', 503: 'database_unavailable' }

/** All that is wrong with a request, field by field. */
function invalid(error: z.ZodError): ProblemBody {
  const errors = error.issues.slice(0, 20).flatMap((issue) => {
    const at = issue.path.map(String).join('.')
    if (issue.code !== 'unrecognized_keys') return [{ field: at === '' ? 'body' : at, detail: issue.message }]
    return issue.keys.map((key) => ({
      field: [at, key].filter(Boolean).join('.'),
      detail: 'there is no such field',
    }))
  })
  const detail = errors.map((one) => `${one.field}: ${one.detail}`).join('; ')
  return { status: 400, title: 'Invalid request', code: 'invalid', detail, errors }
}
