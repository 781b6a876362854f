import { z } from '@hono/zod-openapi'
import { deleteCookie, getCookie } from 'hono/cookie'
import { ADMIN_ROLES } from '../../../model/admin/principal.ts'
import type { Authenticator, SignedIn } from '../authenticate.ts'
import { credentialsOf, SESSION_COOKIE, setSessionCookie } from '../credentials.ts'
import { takeProblem, type SignInProblem } from '../oidc/cookies.ts'
import { inTime, json, jsonBody, PROBLEM_ANSWER, TIME, type Api } from '../operation.ts'
import { ApiError } from '../problems.ts'
import type { ApiSources } from '../sources.ts'

const SESSION = z
  .object({
    principal: z.object({
      name: z.string(),
      role: z.enum(ADMIN_ROLES),
      tenant: z.string().nullable(),
      kind: z.enum(['token', 'configured', 'anonymous', 'oidc']),
    }),
    expiresAt: TIME.nullable().openapi({
      description: 'When the session of a browser ends; null for a token.',
    }),
  })
  .openapi('Session')

/** GET, POST and DELETE /session: who one is, signing in and out. Without a role: everybody may ask. */
export function addSession(api: Api, authenticator: Authenticator, { oidc }: Pick<ApiSources, 'oidc'>): void {
  api.openapi(
    {
      method: 'get',
      path: '/session',
      operationId: 'getSession',
      tags: ['session'],
      description:
        'Who asks. To a browser whose sign-in with OpenID Connect has just come to nothing it says why, once: 401 `sign_in_failed`.',
      responses: { 200: json(SESSION, 'Who asks'), default: PROBLEM_ANSWER },
    },
    async (c) => {
      const settings = oidc()
      const problem = settings === null ? null : await takeProblem(c, settings)
      if (problem !== null) throw signInFailed(problem)
      return c.json(sessionBody(await inTime(c, authenticator.signedIn(credentialsOf(c)))), 200)
    },
  )
  api.openapi(
    {
      method: 'post',
      path: '/session',
      operationId: 'signIn',
      tags: ['session'],
      request: { body: jsonBody(z.strictObject({ token: z.string().min(1).max(512) })) },
      responses: { 200: json(SESSION, 'Signed in; the cookie is set'), default: PROBLEM_ANSWER },
    },
    async (c) => {
      const { token } = c.req.valid('json')
      const { cookie, ...signedIn } = await inTime(c, authenticator.signIn(token, credentialsOf(c)))
      setSessionCookie(c, cookie, {
        expiresAt: signedIn.expiresAt,
        isSecure: c.req.header('origin')?.startsWith('https:') === true,
      })
      return c.json(sessionBody(signedIn), 200)
    },
  )
  api.openapi(
    {
      method: 'delete',
      path: '/session',
      operationId: 'signOut',
      tags: ['session'],
      responses: { 204: { description: 'Signed out' }, default: PROBLEM_ANSWER },
    },
    async (c) => {
      const session = getCookie(c, SESSION_COOKIE)
      if (session !== undefined) await inTime(c, authenticator.signOut(session))
      deleteCookie(c, SESSION_COOKIE, { path: '/' })
      return c.body(null, 204)
    },
  )
}

/** As a refusal of its own: the page shows the sign-in, and the sentence. */
function signInFailed({ detail }: SignInProblem): ApiError {
  return new ApiError(401, 'sign_in_failed', { title: 'You are not signed in', detail })
}

function sessionBody({
  principal: { name, role, tenant, kind },
  expiresAt,
}: SignedIn): z.infer<typeof SESSION> {
  return { principal: { name, role, tenant, kind }, expiresAt: expiresAt?.toISOString() ?? null }
}
