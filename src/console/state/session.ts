import { signal } from '@preact/signals'
import { ApiError, ask, get, keepToken, messageOf, whenUnauthorized } from '../api/client.ts'
import { arrive } from './location.ts'

/** What a session may do. A viewer may look, an operator change, an admin make tokens; a tenant sees its own. */
export type Role = 'tenant' | 'viewer' | 'operator' | 'admin'

export interface Principal {
  readonly name: string
  readonly role: Role
  /** Of a session that sees its own tenant only. */
  readonly tenant: string | null
  readonly kind: 'token' | 'configured' | 'anonymous' | 'oidc'
}

export type SessionState =
  | { readonly kind: 'unknown' }
  | { readonly kind: 'out'; readonly problem: string | null }
  | { readonly kind: 'in'; readonly principal: Principal }

export const session = signal<SessionState>({ kind: 'unknown' })

/** Who looks while nobody can tell who it is, as the database is away: the state of the gateway shows all the same. */
const UNKNOWN: Principal = { name: 'unknown', role: 'viewer', tenant: null, kind: 'anonymous' }

async function readSession(): Promise<Principal> {
  return (await get<{ principal: Principal }>('/api/v1/session')).principal
}

/** Finds out who looks, and whether a sign-in is needed. */
export async function startSession(): Promise<void> {
  whenUnauthorized(() => {
    if (session.value.kind !== 'in') return
    const hadToken = session.value.principal.kind !== 'anonymous'
    keepToken('')
    session.value = { kind: 'out', problem: hadToken ? 'Your session has ended. Sign in again.' : null }
  })
  try {
    session.value = { kind: 'in', principal: await readSession() }
  } catch (error) {
    const isRefused = error instanceof ApiError && error.status === 401
    session.value = isRefused
      ? { kind: 'out', problem: failureOf(error) }
      : { kind: 'in', principal: UNKNOWN }
  }
}

/** Why a sign-in elsewhere came to nothing: the gateway tells it once. That one is not signed in is no failure. */
function failureOf(error: ApiError): string | null {
  return error.code === 'sign_in_failed' ? error.detail : null
}

/** How one may sign in, besides with a token. */
export interface SignInMethods {
  readonly oidc: { readonly label: string; readonly start: string } | null
}

export async function readSignInMethods(): Promise<SignInMethods> {
  return await get<SignInMethods>('/api/v1/session/methods')
}

/** Leaves for the issuer, to come back to this view. A token that was refused does not stand before the session that is to come. */
export function leaveFor(start: string): void {
  keepToken('')
  const returnTo = window.location.pathname + window.location.search
  window.location.assign(`${start}?${new URLSearchParams({ returnTo })}`)
}

/** Signs in; a failure is told in the session's state. */
export async function signIn(token: string): Promise<void> {
  keepToken(token)
  try {
    const principal = await readSession()
    arrive()
    session.value = { kind: 'in', principal }
  } catch (error) {
    keepToken('')
    const isRefused = error instanceof ApiError && error.status === 401
    session.value = { kind: 'out', problem: isRefused ? 'This token was refused.' : messageOf(error) }
  }
}

/** Forgets the token, and has the gateway end the session of the browser. */
export async function signOut(): Promise<void> {
  keepToken('')
  session.value = { kind: 'out', problem: null }
  try {
    await ask('/api/v1/session', { method: 'DELETE' })
  } catch (error) {
    session.value = { kind: 'out', problem: `The session could not be ended: ${messageOf(error)}` }
  }
}

/** Shows the sign-in to somebody who may look without. */
export function askToSignIn(): void {
  session.value = { kind: 'out', problem: null }
}

/** Whether it is a tenant's session: it sees its own, and nothing of the gateway. */
export function isOfTenant(): boolean {
  const state = session.value
  return state.kind === 'in' && state.principal.role === 'tenant'
}

const RANK: readonly Role[] = ['viewer', 'operator', 'admin']

/** Whether the session may do what takes this role. What a tenant's session may change, the API says; here it is offered nothing. */
export function may(role: 'operator' | 'admin'): boolean {
  const state = session.value
  return state.kind === 'in' && RANK.indexOf(state.principal.role) >= RANK.indexOf(role)
}
