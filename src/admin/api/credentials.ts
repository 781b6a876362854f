import type { Context } from 'hono'
import { getCookie, setCookie } from 'hono/cookie'
import type { ApiEnv } from './operation.ts'

/** Name of the cookie that holds a session. */
export const SESSION_COOKIE = 'waybill_session'

/** What of a request tells who asks. */
export interface Credentials {
  readonly method: string
  /** Address of the client, for the count of wrong tokens. */
  readonly address: string
  readonly authorization: string | undefined
  /** The session's cookie. */
  readonly session: string | undefined
  readonly host: string
  readonly origin: string | undefined
  readonly fetchSite: string | undefined
}

/** Reads them. */
export function credentialsOf(c: Context<ApiEnv>): Credentials {
  return {
    method: c.req.method,
    address: c.env.incoming.socket.remoteAddress ?? '',
    authorization: c.req.header('authorization'),
    session: getCookie(c, SESSION_COOKIE),
    host: c.req.header('host') ?? '',
    origin: c.req.header('origin'),
    fetchSite: c.req.header('sec-fetch-site'),
  }
}

/** Sets the cookie of a session. */
export function setSessionCookie(
  c: Context<ApiEnv>,
  cookie: string,
  { expiresAt, isSecure }: { readonly expiresAt: Date | null; readonly isSecure: boolean },
): void {
  setCookie(c, SESSION_COOKIE, cookie, {
    httpOnly: true,
    sameSite: 'Strict',
    path: '/',
    secure: isSecure,
    ...(expiresAt === null ? {} : { expires: expiresAt }),
  })
}
