import { z } from '@hono/zod-openapi'
import { deleteCookie, getCookie, setCookie } from 'hono/cookie'
import { ADMIN_ROLES } from '../../../model/admin/principal.ts'
import type { Authenticator, SignedIn } from '../authenticate.ts'
import { credentialsOf, SESSION_COOKIE } from '../credentials.ts'
import { inTime, json, jsonBody, PROBLEM_ANSWER, TIME, type Api } from '../operation.ts'

const SESSION = z
  .object({
    principal: z.object({
      name: z.string(),
      role: z.enum(ADMIN_ROLES),
      tenant: z.string().nullable(),
      kind: z.enum(['token', 'configured', 'anonymous']),
    }),
    expiresAt: TIME.nullable().openapi({
      description: 'When the session of a browser ends; null for a token.',
    }),
  })
  .openapi('Session')

/** GET, POST and DELETE /session: who one is, signing in and out. Without a role: everybody may ask. */
export function addSession(api: Api, authenticator: Authenticator): void {
  api.openapi(
    {
      method: 'get',
      path: '/session',
      operationId: 'getSession',
      tags: ['session'],
      responses: { 200: json(SESSION, 'Who asks'), default: PROBLEM_ANSWER },
    },
    async (c) => c.json(sessionBody(await inTime(c, authenticator.signedIn(credentialsOf(c)))), 200),
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
      setCookie(c, SESSION_COOKIE, cookie, {
        httpOnly: true,
        sameSite: 'Strict',
        path: '/',
        secure: c.req.header('origin')?.startsWith('https:') === true,
        ...(signedIn.expiresAt === null ? {} : { expires: signedIn.expiresAt }),
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

function sessionBody({
  principal: { name, role, tenant, kind },
  expiresAt,
}: SignedIn): z.infer<typeof SESSION> {
  return { principal: { name, role, tenant, kind }, expiresAt: expiresAt?.toISOString() ?? null }
}
