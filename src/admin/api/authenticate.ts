import { randomBytes } from 'node:crypto'
import { isWellFormedAdminToken } from '../../model/admin/admin-token.ts'
import { principalOfPerson, type OidcSettings, type Person } from '../../model/admin/oidc.ts'
import type { Principal } from '../../model/admin/principal.ts'
import { digestKey } from '../../model/api-key.ts'
import {
  endAdminSession,
  findAdminSession,
  openAdminSession,
  principalOfToken,
  type SessionOwner,
} from '../../store/access/admin-tokens.ts'
import { isTenantThere, openPersonSession } from '../../store/access/person-sessions.ts'
import type { Sql } from '../../store/sql.ts'
import { AccessRule, isOriginOf, isSameText } from '../access.ts'
import type { Credentials } from './credentials.ts'
import { FailureThrottle } from './failures.ts'
import { ApiError } from './problems.ts'

/** A working day; then one signs in again. */
const SESSION_TTL_MS = 12 * 3_600_000

/** Who asks, and until when the session holds; null for what is no session. */
export interface SignedIn {
  readonly principal: Principal
  readonly expiresAt: Date | null
}

const CONFIGURED: Principal = {
  name: 'configured',
  role: 'admin',
  tenant: null,
  kind: 'configured',
  tokenId: null,
}

/** Without a token, on loopback, one may look. */
const ANONYMOUS: Principal = {
  name: 'anonymous',
  role: 'viewer',
  tenant: null,
  kind: 'anonymous',
  tokenId: null,
}

/** Tells who asks: by token, by the cookie of a session, or, where the configuration has no token, anybody on loopback. */
export class Authenticator {
  readonly #sql: Sql
  readonly #token: string
  readonly #oidc: () => OidcSettings | null
  readonly #access: AccessRule
  readonly #failures = new FailureThrottle()

  /** `token` '' for none; then the listener is on loopback. */
  constructor({
    control,
    token,
    host,
    oidc,
  }: {
    readonly control: Sql
    readonly token: string
    readonly host: string
    readonly oidc: () => OidcSettings | null
  }) {
    this.#sql = control
    this.#token = token
    this.#oidc = oidc
    this.#access = new AccessRule('', host)
  }

  /** Rejects with an ApiError (401, 403, 429), and with the driver's error while the database is away. */
  async signedIn(credentials: Credentials): Promise<SignedIn> {
    const { authorization, session, address } = credentials
    if (authorization !== undefined) {
      const token = /^bearer +(\S+) *$/i.exec(authorization)?.[1] ?? ''
      return { principal: await this.#principalOf(token, address), expiresAt: null }
    }
    if (session !== undefined) {
      refuseOtherOrigins(credentials)
      const found = await this.#ofSession(session)
      if (found !== null) return found
      if (this.#token !== '') throw SESSION_ENDED
    }
    if (this.#token !== '') throw UNAUTHORIZED
    const { host, origin } = credentials
    const refusal = this.#access.refusal('/api/v1/', { host, ...(origin === undefined ? {} : { origin }) })
    if (refusal !== null)
      throw new ApiError(403, 'foreign_page', { title: refusal.title, detail: refusal.detail ?? '' })
    return { principal: ANONYMOUS, expiresAt: null }
  }

  /** Opens a session with a token: the cookie's text, who it is, and until when. Rejects as `signedIn`. */
  async signIn(token: string, credentials: Credentials): Promise<SignedIn & { readonly cookie: string }> {
    refuseOtherOrigins(credentials)
    const principal = await this.#principalOf(token, credentials.address)
    const cookie = randomBytes(32).toString('base64url')
    const digest = digestKey(principal.kind === 'configured' ? cookie + this.#token : cookie)
    const expiresAt = await openAdminSession(this.#sql, {
      digest,
      tokenId: principal.tokenId,
      ttlMs: SESSION_TTL_MS,
    })
    return { cookie, principal, expiresAt }
  }

  /** Opens a session of a person: the cookie's text, and until when. */
  async openFor(
    person: Person,
    principal: Principal,
    { sessionMs }: OidcSettings,
  ): Promise<SignedIn & { readonly cookie: string }> {
    const cookie = randomBytes(32).toString('base64url')
    const session = { digest: digestKey(cookie), person, ttlMs: sessionMs }
    return { cookie, principal, expiresAt: await openPersonSession(this.#sql, session) }
  }

  /** Ends the session of a cookie. */
  async signOut(session: string): Promise<void> {
    const digests = [digestKey(session), ...(this.#token === '' ? [] : [digestKey(session + this.#token)])]
    await endAdminSession(this.#sql, digests)
  }

  async #ofSession(session: string): Promise<SignedIn | null> {
    const found = await findAdminSession(this.#sql, {
      ofToken: digestKey(session),
      ofConfigured: this.#token === '' ? null : digestKey(session + this.#token),
    })
    if (found === null) return null
    const { owner, expiresAt } = found
    if (owner.kind === 'configured') return { principal: CONFIGURED, expiresAt }
    const principal = owner.kind === 'token' ? owner.principal : await this.#principalOfPerson(owner)
    return principal === null ? null : { principal, expiresAt }
  }

  /** By the configuration in force: one who has lost the role since is nobody. */
  async #principalOfPerson({
    person,
    sinceMs,
  }: Extract<SessionOwner, { kind: 'person' }>): Promise<Principal | null> {
    const settings = this.#oidc()
    if (settings === null || sinceMs > settings.sessionMs) return null
    const principal = principalOfPerson(person, settings)
    if (principal === null || principal.tenant === null) return principal
    return (await isTenantThere(this.#sql, principal.tenant)) ? principal : null
  }

  async #principalOf(token: string, address: string): Promise<Principal> {
    const wait = this.#failures.waitSeconds(address)
    if (wait > 0) throw tooMany(wait)
    if (this.#token !== '' && isSameText(token, this.#token)) return CONFIGURED
    const principal = isWellFormedAdminToken(token)
      ? await principalOfToken(this.#sql, digestKey(token))
      : null
    if (principal !== null) return principal
    this.#failures.note(address)
    throw WRONG_TOKEN
  }
}

/**
 * A page of another origin must not use the browser's session: by Fetch Metadata, by Origin for browsers without it. Every browser
 * sends one of them with a change, so what has neither is none.
 */
function refuseOtherOrigins({ method, fetchSite, origin, host }: Credentials): void {
  if (method === 'GET' || method === 'HEAD') return
  const isOwn =
    fetchSite === undefined ? origin === undefined || isOriginOf(host, origin) : fetchSite === 'same-origin'
  if (!isOwn) {
    const detail = 'A session of a browser changes things only by pages of this listener.'
    throw new ApiError(403, 'foreign_page', { title: 'Foreign origin', detail })
  }
}

const CHALLENGE = { 'www-authenticate': 'Bearer realm="waybill admin"' }

const UNAUTHORIZED = new ApiError(401, 'token_required', {
  title: 'A token is required',
  detail: 'Send it as Authorization: Bearer <token>; `waybill tokens create` makes one.',
  headers: CHALLENGE,
})

const WRONG_TOKEN = new ApiError(401, 'token_invalid', {
  title: 'The token is not valid',
  detail: 'It is unknown, has expired, or was revoked.',
  headers: CHALLENGE,
})

const SESSION_ENDED = new ApiError(401, 'session_ended', {
  title: 'The session has ended',
  detail: 'Sign in again.',
  headers: CHALLENGE,
})

function tooMany(seconds: number): ApiError {
  return new ApiError(429, 'too_many_failures', {
    title: 'Too many wrong tokens',
    detail: `From this address none is looked at for ${seconds} s.`,
    headers: { 'retry-after': String(seconds) },
  })
}
