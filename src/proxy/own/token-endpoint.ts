import { jsonReply, type OwnReply } from '../../artifacts/login/own-answer.ts'
import { isRepository } from '../../model/artifact/oci-name.ts'
import type { KeyGrant } from '../../model/grant.ts'
import { permits } from '../../model/scope.ts'
import { sourceOf } from '../../model/source-network.ts'
import { mintToken, TOKEN_LIFE_SECONDS, type TokenAccess } from '../../model/token/access-token.ts'
import { authenticate } from '../decide/authenticate.ts'
import { refuse, type DecisionContext, type Refusal } from '../decide/context.ts'
import { takeLogPlace } from '../decide/phases.ts'
import { publicAddress } from '../exchange/public-address.ts'
import type { Exchange } from '../exchange/exchange.ts'
import { presentedKey } from '../headers/credentials.ts'
import { hostName } from '../routing/target.ts'

/** Repositories that one token is for; what a client asks for beyond is left out. Clients ask for two or three. */
const MAX_SCOPES = 16
const ACTIONS: ReadonlySet<string> = new Set(['pull', 'push', 'delete', '*'])

/**
 * Answers a request for a token (Distribution, "Token Authentication" and its OAuth2 form): by GET with Basic credentials, or by POST of a form. Never
 * limited: docker and skopeo give up at a 429 of a token endpoint. Wrong credentials count for the source all the same, so
 * that others of its requests are refused; guesses are hopeless (190 bits), and cost what any refusal costs.
 */
export function tokenReply(exchange: Exchange, body: Buffer, context: DecisionContext): OwnReply | Refusal {
  const { snapshot } = context.directory
  if (snapshot === null) return refuse('not_ready', 'no_snapshot')
  const form = new URLSearchParams(
    exchange.req.method === 'POST' ? body.toString('utf8') : (exchange.target?.query.slice(1) ?? ''),
  )
  if (exchange.req.method === 'POST') takeFormCredential(exchange, form)
  if (exchange.credential !== null) {
    const refusal = authenticateKey(exchange, context)
    if (refusal !== null) return refusal
  }
  const asked = form.getAll('scope').flatMap((text) => text.split(' '))
  const access = accessFor(exchange, asked.filter((text) => text !== '').slice(0, MAX_SCOPES))
  // Nobody in particular may read what is public, and that alone.
  if (exchange.key === null && access.length === 0) return refuse('unauthenticated', 'missing_key')
  const nowMs = exchange.startedAtMs
  const claims = { keyId: exchange.key?.id ?? '', access }
  const token = mintToken(claims, publicAddress(exchange).host, snapshot.signingKeys, nowMs)
  if (token === null) return refuse('not_ready', 'no_signing_key')
  const refusal = takeLogPlace(exchange, context)
  if (refusal !== null) return refusal
  const issued = new Date(Math.floor(nowMs / 1000) * 1000).toISOString()
  const life = { expires_in: TOKEN_LIFE_SECONDS, issued_at: issued }
  return jsonReply(200, { token, access_token: token, ...life })
}

/** `grant_type=password` (username, password), and `refresh_token`, for which a client may have kept the key. */
function takeFormCredential(exchange: Exchange, form: URLSearchParams): void {
  const text = form.get('grant_type') === 'refresh_token' ? form.get('refresh_token') : form.get('password')
  const key = text === null || text === '' ? form.get('username') : text
  if (key !== null && key !== '') exchange.credential = { text: key, field: 'authorization' }
  else exchange.credential ??= presentedKey(exchange.head)
}

function authenticateKey(exchange: Exchange, { directory, limiter }: DecisionContext): Refusal | null {
  const { client, credential, startedAtMs, startedTick } = exchange
  if (directory.snapshot === null) return refuse('not_ready', 'no_snapshot')
  const result = authenticate(credential, directory.snapshot, client.ip, startedAtMs)
  exchange.key = result.key
  if (result.ok) {
    exchange.tenant = result.tenant
    directory.noteUse(result.key.id)
    return null
  }
  if (result.reason === 'unknown_key' && directory.isStale) return refuse('not_ready', 'stale_snapshot')
  if (client.ip !== '') limiter.noteFailure(sourceOf(client.ip), startedTick)
  return refuse(result.outcome, result.reason)
}

/** Of what was asked for, what the key may do, or anybody. */
function accessFor(exchange: Exchange, scopes: readonly string[]): TokenAccess[] {
  const { key, routes, head, target } = exchange
  const host = hostName(target?.authority ?? head.host ?? '') ?? ''
  const access: TokenAccess[] = []
  for (const scope of scopes) {
    const type = scope.slice(0, scope.indexOf(':'))
    const end = scope.lastIndexOf(':')
    const name = scope.slice(type.length + 1, end)
    const isCatalog = type === 'registry' && name === 'catalog'
    if (!isCatalog && (!type.startsWith('repository') || !isRepository(name))) continue
    const route = routes?.match(host, isCatalog ? '/v2/_catalog' : `/v2/${name}/`) ?? null
    if (route?.kind !== 'oci') continue
    const may = (action: string): boolean => route.auth === 'public' || mayDo(key, route.name, action)
    const actions = scope
      .slice(end + 1)
      .split(',')
      .filter((action) => ACTIONS.has(action) && (isCatalog ? may('pull') : may(action)))
    if (actions.length > 0) access.push({ type: isCatalog ? 'registry' : 'repository', name, actions })
  }
  return access
}

function mayDo(key: KeyGrant | null, route: string, action: string): boolean {
  if (key === null) return false
  const reads = permits(key.scopes, route, 'read')
  const writes = permits(key.scopes, route, 'write')
  if (action === '*') return reads && writes
  return action === 'pull' ? reads : writes
}
