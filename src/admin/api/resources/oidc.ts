import { z } from '@hono/zod-openapi'
import type { Context } from 'hono'
import type { OidcSettings } from '../../../model/admin/oidc.ts'
import type { Authenticator } from '../authenticate.ts'
import { credentialsOf, setSessionCookie } from '../credentials.ts'
import { isSecure, keepPending, keepProblem, takePending } from '../oidc/cookies.ts'
import { OidcSignIn, returnAddress, SignInError } from '../oidc/sign-in.ts'
import { inTime, json, PROBLEM_ANSWER, type Api, type ApiEnv } from '../operation.ts'
import { ApiError } from '../problems.ts'
import type { ApiSources } from '../sources.ts'

const METHODS = z
  .object({
    oidc: z
      .object({
        label: z.string(),
        start: z.url().openapi({ description: 'Where to send the browser; `returnTo` may be added.' }),
      })
      .nullable()
      .openapi({ description: 'Null where nobody signs in with OpenID Connect.' }),
  })
  .openapi('SignInMethods')

const SEE_OTHER = { description: 'Go there', headers: z.object({ location: z.string() }) }

/** GET /session/methods, /session/oidc and /session/oidc/callback. Without a role: everybody may ask. */
export function addOidc(
  api: Api,
  authenticator: Authenticator,
  sources: Pick<ApiSources, 'control' | 'logger' | 'oidc'>,
): void {
  const signIn = new OidcSignIn(sources)
  const settingsOf = (): OidcSettings => {
    const settings = sources.oidc()
    if (settings === null) throw NOT_CONFIGURED
    return settings
  }
  addMethods(api, sources)
  api.openapi(
    {
      method: 'get',
      path: '/session/oidc',
      operationId: 'beginSignIn',
      tags: ['session'],
      description: 'For browsers: to the issuer, which sends them back to the callback.',
      request: {
        query: z.object({
          returnTo: z.string().optional().openapi({ description: 'A view of the console.' }),
        }),
      },
      responses: { 303: SEE_OTHER, default: PROBLEM_ANSWER },
    },
    async (c) => {
      const settings = settingsOf()
      const returnTo = returnAddress(c.req.valid('query').returnTo, settings)
      try {
        const { url, pending } = await inTime(c, signIn.begin(settings))
        await keepPending(c, settings, { ...pending, returnTo })
        return c.redirect(url.href, 303)
      } catch (error) {
        return await backWith(c, settings, error)
      }
    },
  )
  api.openapi(
    {
      method: 'get',
      path: '/session/oidc/callback',
      operationId: 'endSignIn',
      tags: ['session'],
      description: 'For browsers that come from the issuer: sets the session cookie, and on to the console.',
      responses: { 303: SEE_OTHER, default: PROBLEM_ANSWER },
    },
    async (c) => {
      const settings = settingsOf()
      const pending = await takePending(c, settings)
      const { address } = credentialsOf(c)
      const query = new URL(c.req.url).search
      try {
        const { person, principal } = await inTime(c, signIn.finish(settings, { query, pending, address }))
        const { cookie, expiresAt } = await inTime(c, authenticator.openFor(person, principal, settings))
        setSessionCookie(c, cookie, { expiresAt, isSecure: isSecure(settings) })
        return c.redirect(settings.publicUrl + (pending?.returnTo ?? '/'), 303)
      } catch (error) {
        return await backWith(c, settings, error)
      }
    },
  )
}

function addMethods(api: Api, sources: Pick<ApiSources, 'oidc'>): void {
  api.openapi(
    {
      method: 'get',
      path: '/session/methods',
      operationId: 'listSignInMethods',
      tags: ['session'],
      description: 'How one may sign in, besides with a token.',
      responses: { 200: json(METHODS, 'What there is'), default: PROBLEM_ANSWER },
    },
    (c) => {
      const settings = sources.oidc()
      if (settings === null) return c.json({ oidc: null }, 200)
      const { label, publicUrl } = settings
      return c.json({ oidc: { label, start: `${publicUrl}/api/v1/session/oidc` } }, 200)
    },
  )
}

const NOT_CONFIGURED = new ApiError(404, 'not_found', {
  title: 'Not found',
  detail: 'This gateway has no issuer (option admin.oidc.issuer).',
})

/** A browser is no reader of problem documents: the console asks for it, and shows it where one signs in. */
async function backWith(c: Context<ApiEnv>, settings: OidcSettings, error: unknown) {
  if (!(error instanceof SignInError)) throw error
  await keepProblem(c, settings, error.problem)
  return c.redirect(`${settings.publicUrl}/`, 303)
}
