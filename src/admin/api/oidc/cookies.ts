import { createHmac } from 'node:crypto'
import type { Context } from 'hono'
import { deleteCookie, getSignedCookie, setSignedCookie } from 'hono/cookie'
import { z } from '@hono/zod-openapi'
import type { OidcSettings } from '../../../model/admin/oidc.ts'
import type { ApiEnv } from '../operation.ts'

/** How long one may take at the issuer. */
const PENDING_SECONDS = 600
/** The console asks at once. */
const PROBLEM_SECONDS = 60

const PENDING = z.object({
  state: z.string(),
  nonce: z.string(),
  verifier: z.string(),
  returnTo: z.string(),
  untilMs: z.number(),
})

/** A sign-in that is under way in this browser. */
export type Pending = z.infer<typeof PENDING>

const PROBLEM = z.object({ status: z.number(), code: z.string(), detail: z.string() })

/** Why the last sign-in of this browser came to nothing. */
export type SignInProblem = z.infer<typeof PROBLEM>

/**
 * Both cookies bear a signature by a key that comes of the client's secret, so that all gateways with the same configuration know each
 * other's. Behind TLS no other host can set them (`__Host-`, RFC 6265bis §4.1.3.2).
 */
interface Kind<T> {
  readonly name: string
  readonly schema: z.ZodType<T>
  readonly maxAge: number
  /** The issuer's page sends the browser here, so that `Strict` would keep this one back. */
  readonly sameSite: 'Lax' | 'Strict'
}

const PENDING_COOKIE: Kind<Pending> = {
  name: 'waybill_sign_in',
  schema: PENDING,
  maxAge: PENDING_SECONDS,
  sameSite: 'Lax',
}

const PROBLEM_COOKIE: Kind<SignInProblem> = {
  name: 'waybill_sign_in_problem',
  schema: PROBLEM,
  maxAge: PROBLEM_SECONDS,
  sameSite: 'Strict',
}

/** Has the browser keep a sign-in. */
export async function keepPending(
  c: Context<ApiEnv>,
  settings: OidcSettings,
  pending: Omit<Pending, 'untilMs'>,
): Promise<void> {
  const untilMs = Date.now() + PENDING_SECONDS * 1000
  await keep(c, settings, PENDING_COOKIE, { ...pending, untilMs })
}

/** Takes it back: it is good once. Null when there is none, or it is too old. */
export async function takePending(c: Context<ApiEnv>, settings: OidcSettings): Promise<Pending | null> {
  const pending = await take(c, settings, PENDING_COOKIE)
  return pending !== null && Date.now() <= pending.untilMs ? pending : null
}

/** Has the browser keep why a sign-in came to nothing: no text of it stands in an address, where anybody could write one. */
export async function keepProblem(
  c: Context<ApiEnv>,
  settings: OidcSettings,
  problem: SignInProblem,
): Promise<void> {
  await keep(c, settings, PROBLEM_COOKIE, problem)
}

/** Takes it back; null for none. */
export async function takeProblem(c: Context<ApiEnv>, settings: OidcSettings): Promise<SignInProblem | null> {
  return await take(c, settings, PROBLEM_COOKIE)
}

async function keep<T>(c: Context<ApiEnv>, settings: OidcSettings, kind: Kind<T>, value: T): Promise<void> {
  const text = Buffer.from(JSON.stringify(value)).toString('base64url')
  await setSignedCookie(c, nameOf(kind, settings), text, keyOf(settings, kind), {
    httpOnly: true,
    sameSite: kind.sameSite,
    secure: isSecure(settings),
    path: '/',
    maxAge: kind.maxAge,
  })
}

async function take<T>(c: Context<ApiEnv>, settings: OidcSettings, kind: Kind<T>): Promise<T | null> {
  const name = nameOf(kind, settings)
  const text = await getSignedCookie(c, keyOf(settings, kind), name)
  if (text === undefined) return null
  deleteCookie(c, name, { path: '/', secure: isSecure(settings) })
  // Nobody else has the key.
  return text === false ? null : kind.schema.parse(JSON.parse(Buffer.from(text, 'base64url').toString()))
}

/** Whether browsers reach the listener by TLS. */
export function isSecure({ publicUrl }: OidcSettings): boolean {
  return publicUrl.startsWith('https:')
}

function nameOf({ name }: Kind<unknown>, settings: OidcSettings): string {
  return isSecure(settings) ? `__Host-${name}` : name
}

function keyOf({ clientSecret, issuer, clientId }: OidcSettings, { name }: Kind<unknown>): string {
  return createHmac('sha256', clientSecret)
    .update(JSON.stringify([name, issuer, clientId]))
    .digest('base64url')
}
