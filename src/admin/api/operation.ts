import { createRoute, z, type OpenAPIHono, type RouteConfig } from '@hono/zod-openapi'
import type { HttpBindings } from '@hono/node-server'
import type { Context, MiddlewareHandler } from 'hono'
import { mayUse, type Access, type Principal } from '../../model/admin/principal.ts'
import { within } from '../../lib/time/within.ts'
import { DeadlineError } from '../problem.ts'
import type { SignedIn } from './authenticate.ts'
import { ApiError, PROBLEM } from './problems.ts'

/** What handlers find in their context. */
export interface ApiEnv {
  readonly Bindings: HttpBindings
  readonly Variables: {
    readonly signedIn: SignedIn
    /** Asks again who it is, for an answer that lasts. Rejects as the first time. */
    readonly signInAgain: () => Promise<SignedIn>
    /** Ended when nobody waits for the answer any more: the client has left, or it was too late. */
    readonly ended: AbortController
    /** Longest wait for an answer. */
    readonly timeoutMs: number
  }
}

export type Api = OpenAPIHono<ApiEnv>

/** The least role of an operation, as the document and the tests of roles read it. */
const ROLE_EXTENSION = 'x-waybill-role'
/** Whether the role `tenant` may use it for what is its own. */
const TENANT_EXTENSION = 'x-waybill-tenant'

/** What every operation may answer. */
export const PROBLEM_ANSWER = {
  content: { 'application/problem+json': { schema: PROBLEM } },
  description: 'Refused',
}

/** Who may use an operation, and whether its answer lasts as long as the client takes it. */
interface OperationAccess extends Access {
  readonly isLasting?: boolean
}

type Config = Omit<RouteConfig, 'security' | 'operationId'> & { readonly operationId: string }

/** An operation: who may use it and how long it may take stands in the document, and is checked before anything of the request is read. */
export function operation<const R extends Config>(
  access: OperationAccess,
  config: R,
): R & { middleware: MiddlewareHandler<ApiEnv> } {
  const route = createRoute({
    ...config,
    security: [{ token: [] }, { session: [] }],
    responses: { ...config.responses, default: PROBLEM_ANSWER },
    [ROLE_EXTENSION]: access.role,
    [TENANT_EXTENSION]: access.isForTenants,
    middleware: requireAccess(access),
  })
  return route
}

function requireAccess(access: OperationAccess): MiddlewareHandler<ApiEnv> {
  return async (c, next) => {
    const { principal } = c.var.signedIn
    if (!mayUse(principal, access)) throw forbidden(principal, access)
    if (access.isLasting === true) await next()
    else await inTime(c, next())
  }
}

/**
 * Waits for what an answer needs, no longer than the listener does: the statement timeout does not help against a database that is
 * frozen or out of reach. Rejects with a DeadlineError, which also ends what goes on by the signal.
 */
export async function inTime<T>(c: Context<ApiEnv>, work: Promise<T>): Promise<T> {
  const { ended, timeoutMs: ms } = c.var
  const late = (): never => {
    ended.abort(new DeadlineError())
    throw ended.signal.reason
  }
  return await within(work, { ms, signal: ended.signal, late })
}

function forbidden(principal: Principal, { role }: Access): ApiError {
  const detail =
    principal.kind === 'anonymous'
      ? 'Changes need a token: `waybill tokens create` makes one.'
      : `It needs the role ${role}; this token has ${principal.role}.`
  return new ApiError(403, 'role_required', { title: 'Not allowed', detail })
}

/**
 * The tenant that an answer is about: the one that was asked for, or the only one that the principal sees; undefined for all.
 * Throws an ApiError for another one than that.
 */
export function tenantScope(c: Context<ApiEnv>, asked: string | undefined): string | undefined {
  const { tenant } = c.var.signedIn.principal
  if (tenant === null || tenant === asked) return asked
  if (asked === undefined) return tenant
  throw new ApiError(403, 'other_tenant', {
    title: 'Not allowed',
    detail: `This token is of tenant ${tenant}.`,
  })
}

/** The version in `If-Match` (RFC 9110 §13.1.1); null when it is not sent, or `*`. Throws an ApiError for what is no version. */
export function ifMatch(c: Context<ApiEnv>): number | null {
  const field = c.req.header('if-match')
  if (field === undefined || field.trim() === '*') return null
  const version = /^"(\d{1,15})"$/.exec(field.trim())?.[1]
  if (version === undefined)
    throw new ApiError(400, 'invalid', {
      title: 'Invalid request',
      detail: 'If-Match must be an ETag of this API: "<version>"',
    })
  return Number(version)
}

/** One page of a list, of items that have a name of their own. */
export function pageOf<T extends z.ZodType>(item: T) {
  return z.object({
    items: z.array(item),
    next: z
      .string()
      .nullable()
      .openapi({ description: 'The `cursor` of the next page; null when this is the last.' }),
  })
}

/** The page that `found` is, of which one more than `limit` was asked for: that tells whether there is another. */
export function pageBody<T, B>(
  found: readonly T[],
  limit: number,
  { body, cursor }: { readonly body: (item: T) => B; readonly cursor: (item: T) => string },
): { items: B[]; next: string | null } {
  const page = found.slice(0, limit)
  const last = page.at(-1)
  return { items: page.map(body), next: found.length > limit && last !== undefined ? cursor(last) : null }
}

/** How many items a page has at most. */
export const LIMIT = z.coerce.number().int().min(1).max(1000).default(100).openapi({ type: 'integer' })

/** A moment in answers: ISO 8601, UTC. */
export const TIME = z.iso.datetime()

/** JSON of an answer's 200 or 201. */
export function json<T extends z.ZodType>(schema: T, description: string) {
  return { content: { 'application/json': { schema } }, description }
}

/** JSON of a request, required. */
export function jsonBody<T extends z.ZodType>(schema: T) {
  return { content: { 'application/json': { schema } }, required: true }
}
