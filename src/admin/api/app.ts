import type { IncomingMessage, ServerResponse } from 'node:http'
import { getRequestListener } from '@hono/node-server'
import { OpenAPIHono } from '@hono/zod-openapi'
import type { Context, MiddlewareHandler } from 'hono'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import { DeadlineError } from '../problem.ts'
import { Authenticator } from './authenticate.ts'
import { credentialsOf } from './credentials.ts'
import { documentOf } from './document.ts'
import { inTime, type Api, type ApiEnv } from './operation.ts'
import { ApiError, problemBody } from './problems.ts'
import { addAdminLog } from './resources/admin-log.ts'
import { addDeliveries } from './resources/deliveries/deliveries.ts'
import { addEntries } from './resources/entries/entries.ts'
import { addEvents } from './resources/events.ts'
import { addFigures } from './resources/figures.ts'
import { addKeys } from './resources/keys.ts'
import { addOidc } from './resources/oidc.ts'
import { addOverview } from './resources/reports/overview.ts'
import { addNames } from './resources/names.ts'
import { addQuarantine } from './resources/quarantine.ts'
import { addCompleteness } from './resources/reports/completeness.ts'
import { addRetention } from './resources/retention.ts'
import { addReports } from './resources/reports/reports.ts'
import { addSessions } from './resources/sessions.ts'
import { addSigningKeys } from './resources/signing-keys.ts'
import { addSession } from './resources/session.ts'
import { addSystem } from './resources/system.ts'
import { addTenants } from './resources/tenants.ts'
import { addRules } from './resources/rules.ts'
import { addTokens } from './resources/tokens.ts'
import type { ApiSources } from './sources.ts'

const RESOURCES = [
  addOverview,
  addTenants,
  addKeys,
  addTokens,
  addRules,
  addSessions,
  addSigningKeys,
  addNames,
  addReports,
  addCompleteness,
  addFigures,
  addEntries,
  addQuarantine,
  addRetention,
  addAdminLog,
  addDeliveries,
  addEvents,
  addSystem,
]

const MAX_BODY_BYTES = 256 * 1024

/** Answers a request below /api/v1/. */
export type ApiListener = (request: IncomingMessage, response: ServerResponse) => Promise<void>

/** Builds the API. Loaded when the first request for it comes: the framework would cost a start a tenth of a second and 10 MB. */
export function apiListener(sources: ApiSources): ApiListener {
  const api = buildApi(sources)
  return getRequestListener(async (request, env) => await api.fetch(request, env), {
    overrideGlobalObjects: false,
  })
}

/** The API as Hono has it. */
export function buildApi(sources: ApiSources): Api {
  const api: Api = new OpenAPIHono<ApiEnv>({
    defaultHook: (result) => {
      if (!result.success) throw result.error
    },
  }).basePath('/api/v1')
  const authenticator = new Authenticator(sources)
  api.onError((error, c) => refuse(c, sources, error))
  api.notFound((c) => refuse(c, sources, new ApiError(404, 'not_found', { title: 'Not found' })))
  api.use(boundBody)
  api.use(async (c, next) => {
    c.set('ended', endedOf(c))
    c.set('timeoutMs', sources.queryTimeoutMs)
    await next()
  })
  addSession(api, authenticator, sources)
  addOidc(api, authenticator, sources)
  api.use(async (c, next) => {
    const credentials = credentialsOf(c)
    const signInAgain = async () => await authenticator.signedIn(credentials)
    c.set('signInAgain', signInAgain)
    c.set('signedIn', await inTime(c, signInAgain()))
    await next()
  })
  for (const add of RESOURCES) add(api, sources)
  let document: ReturnType<typeof documentOf> | null = null
  api.get('/openapi.json', (c) => c.json((document ??= documentOf(api, sources.version))))
  return api
}

function endedOf(c: Context<ApiEnv>): AbortController {
  const ended = new AbortController()
  const end = (): void => ended.abort(new DeadlineError())
  // The API may have been loaded meanwhile.
  if (c.env.outgoing.destroyed) end()
  else c.env.outgoing.once('close', end)
  return ended
}

const TOO_LARGE = new ApiError(413, 'too_large', {
  title: 'The body is too large',
  detail: `At most ${MAX_BODY_BYTES} bytes are read.`,
})

const NO_LENGTH = new ApiError(411, 'length_required', {
  title: 'The body has no length',
  detail: 'Send Content-Length in place of chunks.',
})

/** What is read of a body is bounded by what it says of its length. */
const boundBody: MiddlewareHandler<ApiEnv> = async (c, next) => {
  if (c.req.header('transfer-encoding') !== undefined) throw NO_LENGTH
  if (Number(c.req.header('content-length') ?? 0) > MAX_BODY_BYTES) throw TOO_LARGE
  await next()
}

function refuse(c: Context<ApiEnv>, { logger }: ApiSources, error: unknown): Response {
  const { body, headers } = problemBody(error)
  if (body.status >= 500 && body.code !== 'database_unavailable')
    logger.warn({ err: error, path: c.req.path, status: body.status }, 'admin request failed')
  return c.json(body, body.status as ContentfulStatusCode, {
    ...headers,
    'content-type': 'application/problem+json',
  })
}
