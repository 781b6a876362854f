import { systemClock } from '../../../lib/time/clock.ts'
import type { Logger } from '../../../logger/logger.ts'
import { personOf, principalOfPerson, type OidcSettings, type Person } from '../../../model/admin/oidc.ts'
import type { Principal } from '../../../model/admin/principal.ts'
import { isTenantThere } from '../../../store/access/person-sessions.ts'
import type { Sql } from '../../../store/sql.ts'
import { isConsolePath } from '../../console-files.ts'
import { FailureThrottle } from '../failures.ts'
import type { SignInProblem } from './cookies.ts'
import { Issuer, IssuerError, type PendingSignIn } from './issuer.ts'

/** A sign-in that came to nothing; the message is for the person. */
export class SignInError extends Error {
  readonly problem: SignInProblem

  constructor(status: number, code: string, detail: string) {
    super(detail)
    this.name = 'SignInError'
    this.problem = { status, code, detail }
  }
}

/** Longest address to come back to: the cookie has 4 KB for all. */
const MAX_RETURN = 1500

/** Signs people in with OpenID Connect, by the settings in force. */
export class OidcSignIn {
  readonly #sql: Sql
  readonly #logger: Logger
  readonly #failures = new FailureThrottle()
  #issuer: { readonly of: string; readonly issuer: Issuer } | null = null

  constructor({ control, logger }: { readonly control: Sql; readonly logger: Logger }) {
    this.#sql = control
    this.#logger = logger
  }

  /** Where to send a browser. Rejects with a SignInError. */
  async begin(settings: OidcSettings): Promise<{ readonly url: URL; readonly pending: PendingSignIn }> {
    try {
      return await this.#issuerOf(settings).begin()
    } catch (error) {
      throw this.#failed(error)
    }
  }

  /** Who came back with this query, and what it may. `address`: for the count of failures. Rejects with a SignInError. */
  async finish(
    settings: OidcSettings,
    back: { readonly query: string; readonly pending: PendingSignIn | null; readonly address: string },
  ): Promise<{ readonly person: Person; readonly principal: Principal }> {
    const { query, pending, address } = back
    if (pending === null)
      throw new SignInError(
        400,
        'sign_in_unknown',
        'This sign-in was not begun here, or too long ago: begin again.',
      )
    const wait = this.#failures.waitSeconds(address)
    if (wait > 0)
      throw new SignInError(429, 'too_many_failures', `Too many sign-ins failed: try again in ${wait} s.`)
    try {
      const claims = await this.#issuerOf(settings).finish(query, pending)
      return await this.#admit(settings, claims)
    } catch (error) {
      // All else guesses nothing, and is soon made by anybody: behind a front it would keep everybody out, who have its address.
      if (isGuess(error)) this.#failures.note(address)
      throw this.#failed(error)
    }
  }

  async #admit(
    settings: OidcSettings,
    claims: Readonly<Record<string, unknown>>,
  ): Promise<{ readonly person: Person; readonly principal: Principal }> {
    const { rolesClaim } = settings
    const person = personOf(claims, settings)
    if (person === null)
      throw new SignInError(403, 'oidc_refused', 'The ID token names nobody (claim "sub").')
    const principal = principalOfPerson(person, settings)
    const { name, subject } = person
    if (principal === null) {
      this.#logger.warn({ name, subject, claim: rolesClaim }, 'a sign-in was refused: no role')
      const has =
        rolesClaim in claims
          ? 'has no value that gives a role here'
          : 'is not among what the issuer says of you'
      throw new SignInError(
        403,
        'no_role',
        `You are ${name}, and may do nothing here: the claim "${rolesClaim}" ${has} (option admin.oidc.roles).`,
      )
    }
    const { tenant } = principal
    if (tenant !== null && !(await isTenantThere(this.#sql, tenant)))
      throw new SignInError(
        403,
        'no_role',
        `The claim "${rolesClaim}" gives the tenant ${tenant}, which is not there.`,
      )
    this.#logger.info({ name, subject, role: principal.role, tenant }, 'signed in with OpenID Connect')
    return { person, principal }
  }

  #failed(error: unknown): unknown {
    if (!(error instanceof IssuerError)) return error
    this.#logger.warn({ code: error.code, reason: error.message }, 'a sign-in with OpenID Connect failed')
    const isAway = error.code === 'oidc_issuer_away'
    const rest = isAway ? 'A token works all the same.' : 'Begin again.'
    const detail = `${error.message.slice(0, 1).toUpperCase()}${error.message.slice(1)}. ${rest}`
    return new SignInError(isAway ? 503 : 403, error.code, detail)
  }

  #issuerOf(settings: OidcSettings): Issuer {
    const of = JSON.stringify(settings)
    if (this.#issuer?.of !== of)
      this.#issuer = { of, issuer: new Issuer(settings, () => systemClock.nowMs()) }
    return this.#issuer.issuer
  }
}

/** Whether the issuer had to refuse a code, or what it sent for one did not count. */
function isGuess(error: unknown): boolean {
  return error instanceof IssuerError && error.code === 'oidc_refused' && error.isAsked
}

/** An address of the console to go on at, of what was asked for; the first page for anything else. */
export function returnAddress(asked: string | undefined, { publicUrl }: OidcSettings): string {
  if (asked === undefined || asked.length > MAX_RETURN || !/^\/[\x21-\x5b\x5d-\x7e]*$/.test(asked)) return '/'
  if (!URL.canParse(asked, publicUrl)) return '/'
  const { origin, pathname, search } = new URL(asked, publicUrl)
  return origin === publicUrl && isConsolePath(pathname) ? `${pathname}${search}` : '/'
}
