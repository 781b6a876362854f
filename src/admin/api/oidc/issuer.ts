import * as client from 'openid-client'
import { readBounded } from '../../../lib/bounded-body.ts'
import type { OidcSettings } from '../../../model/admin/oidc.ts'

/** What a browser keeps between leaving for the issuer and coming back. */
export interface PendingSignIn {
  /** Comes back in the address (RFC 6749 §10.12). */
  readonly state: string
  /** Comes back in the ID token (OpenID Connect Core §15.5.2). */
  readonly nonce: string
  /** By which the gateway proves that it is who sent the browser (PKCE, RFC 7636). */
  readonly verifier: string
}

/** `away`: the issuer gave no usable answer. `refused`: it said no, or what came back does not count. */
export class IssuerError extends Error {
  readonly code: 'oidc_issuer_away' | 'oidc_refused'
  /** Whether the issuer was asked to take a code. */
  readonly isAsked: boolean

  constructor(code: IssuerError['code'], message: string, isAsked = false) {
    super(message)
    this.name = 'IssuerError'
    this.code = code
    this.isAsked = isAsked
  }
}

/** Longest wait for each answer of the issuer. */
const TIMEOUT_SECONDS = 5
/** Longest answer that is read: a hundred times the longest set of keys seen. */
const MAX_ANSWER_BYTES = 1024 * 1024
/** What the issuer says of itself is asked again after this. */
const METADATA_MS = 3_600_000
/** The library looks for keys it does not know once they are a minute old: here at once. Nobody but the issuer can have it do so. */
const KEYS_AGE_SECONDS = 60

type Keys = Parameters<typeof client.setJwksCache>[1]

interface Known {
  readonly metadata: client.ServerMetadata
  readonly atMs: number
}

/** The conversation with one issuer: authorization code, PKCE, state and nonce, the ID token's signature checked. */
export class Issuer {
  readonly #settings: OidcSettings
  readonly #nowMs: () => number
  #known: Known | null = null
  #asked: Promise<Known> | null = null
  #keys: Keys | null = null

  /** `nowMs`: a clock that never goes back. */
  constructor(settings: OidcSettings, nowMs: () => number) {
    this.#settings = settings
    this.#nowMs = nowMs
  }

  /** Where to send a browser, and what it has to bring back. Rejects with an IssuerError. */
  async begin(): Promise<{ readonly url: URL; readonly pending: PendingSignIn }> {
    const configuration = await this.#configuration()
    const pending = {
      state: client.randomState(),
      nonce: client.randomNonce(),
      verifier: client.randomPKCECodeVerifier(),
    }
    const url = client.buildAuthorizationUrl(configuration, {
      redirect_uri: callbackOf(this.#settings),
      scope: this.#settings.scopes,
      state: pending.state,
      nonce: pending.nonce,
      code_challenge: await client.calculatePKCECodeChallenge(pending.verifier),
      code_challenge_method: 'S256',
    })
    return { url, pending }
  }

  /**
   * The claims of the ID token for which the issuer takes the code of this query; what they lack, of the issuer's `userinfo`.
   * Rejects with an IssuerError.
   */
  async finish(
    query: string,
    { state, nonce, verifier }: PendingSignIn,
  ): Promise<Readonly<Record<string, unknown>>> {
    const configuration = await this.#configuration()
    const lent = this.#keys === null ? null : { ...this.#keys, uat: this.#keys.uat - KEYS_AGE_SECONDS }
    if (lent !== null) client.setJwksCache(configuration, lent)
    let isAsked = false
    configuration[client.customFetch] = async (url, options) => {
      isAsked = true
      return await fetchBounded(url, options)
    }
    try {
      const answer = await client.authorizationCodeGrant(
        configuration,
        new URL(`${callbackOf(this.#settings)}${query}`),
        { expectedState: state, expectedNonce: nonce, pkceCodeVerifier: verifier, idTokenExpected: true },
      )
      const claims = answer.claims()
      if (claims === undefined) throw new IssuerError('oidc_refused', 'the issuer sent no ID token')
      const { rolesClaim, nameClaim } = this.#settings
      const isWhole = rolesClaim in claims && nameClaim in claims
      if (isWhole || configuration.serverMetadata().userinfo_endpoint === undefined) return claims
      return { ...(await client.fetchUserInfo(configuration, answer.access_token, claims.sub)), ...claims }
    } catch (error) {
      throw issuerError(error, isAsked)
    } finally {
      const keys = client.getJwksCache(configuration)
      if (keys !== undefined && keys.uat !== lent?.uat) this.#keys = structuredClone(keys)
    }
  }

  /** One for each conversation: what the library remembers of keys belongs to it. */
  async #configuration(): Promise<client.Configuration> {
    const { clientId, clientSecret, issuer } = this.#settings
    const { metadata } = await this.#metadata()
    const methods = metadata.token_endpoint_auth_methods_supported ?? ['client_secret_basic']
    // Issuers differ in how they read a secret with other than letters and digits in a Basic field (RFC 6749 §2.3.1), not in a form.
    const proof = methods.includes('client_secret_post') ? client.ClientSecretPost : client.ClientSecretBasic
    const configuration = new client.Configuration(metadata, clientId, {}, proof(clientSecret))
    configuration.timeout = TIMEOUT_SECONDS
    configuration[client.customFetch] = fetchBounded
    client.enableNonRepudiationChecks(configuration)
    if (isPlain(issuer)) client.allowInsecureRequests(configuration)
    return configuration
  }

  /** Those who come while it is asked wait for the same answer; an issuer that is away for a moment is known from before. */
  async #metadata(): Promise<Known> {
    const known = this.#known
    if (known !== null && this.#nowMs() - known.atMs < METADATA_MS) return known
    this.#asked ??= this.#ask().finally(() => {
      this.#asked = null
    })
    try {
      return await this.#asked
    } catch (error) {
      if (known !== null) return known
      throw error
    }
  }

  async #ask(): Promise<Known> {
    const { issuer, clientId } = this.#settings
    try {
      const found = await client.discovery(new URL(issuer), clientId, {}, client.None(), {
        timeout: TIMEOUT_SECONDS,
        [client.customFetch]: fetchBounded,
        // oxlint-disable-next-line typescript/no-deprecated -- for an issuer on this machine alone, which the option sees to
        execute: isPlain(issuer) ? [client.allowInsecureRequests] : [],
      })
      this.#known = { metadata: found.serverMetadata(), atMs: this.#nowMs() }
      return this.#known
    } catch (error) {
      throw new IssuerError('oidc_issuer_away', `the issuer cannot be asked: ${reasonOf(error)}`)
    }
  }
}

/** Where the issuer sends browsers back to. */
export function callbackOf({ publicUrl }: OidcSettings): string {
  return `${publicUrl}/api/v1/session/oidc/callback`
}

function isPlain(issuer: string): boolean {
  return issuer.startsWith('http:')
}

/** Follows no redirect, and reads no more than is sensible. */
const fetchBounded: client.CustomFetch = async (url, options) => {
  const response = await fetch(url, { ...options, redirect: 'manual' } as RequestInit)
  const { bytes, isCut } = await readBounded(response, MAX_ANSWER_BYTES)
  if (isCut) throw new TypeError(`the answer is longer than ${MAX_ANSWER_BYTES} bytes`)
  const { status, headers } = response
  return new Response(bytes.length === 0 ? null : bytes, { status, headers })
}

function issuerError(error: unknown, isAsked: boolean): IssuerError {
  if (error instanceof IssuerError) return new IssuerError(error.code, error.message, isAsked)
  if (error instanceof client.AuthorizationResponseError || error instanceof client.ResponseBodyError)
    return new IssuerError('oidc_refused', `the issuer says ${shortened(error.error)}`, isAsked)
  const isAway =
    (error instanceof TypeError && error.message === 'fetch failed') ||
    (error instanceof client.ClientError && AWAY.has(error.code ?? ''))
  const [code, what] = isAway
    ? (['oidc_issuer_away', 'the issuer cannot be asked'] as const)
    : (['oidc_refused', 'what came back does not count'] as const)
  return new IssuerError(code, `${what}: ${reasonOf(error)}`, isAsked)
}

const AWAY: ReadonlySet<string> = new Set(['OAUTH_TIMEOUT', 'OAUTH_ABORT', 'OAUTH_RESPONSE_IS_NOT_CONFORM'])

/** The messages alone: what the library puts beside them holds tokens. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown'
  const { cause } = error
  const why = cause instanceof Error ? ` (${cause.message})` : ''
  return shortened(`${error.message}${why}`)
}

function shortened(text: string): string {
  return text.replaceAll(/[^\x20-\x7e]/g, '').slice(0, 300)
}
