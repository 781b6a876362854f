import { isReadBody } from '../../artifacts/access.ts'
import type { Directory, Snapshot } from '../../model/grant.ts'
import type { RequestIds } from '../../model/access-entry.ts'
import type { Route } from '../../model/route.ts'
import { authenticate, checkKey, servedTenant } from './authenticate.ts'
import { refuse, type Refusal } from './context.ts'
import { permissionOf } from './phases.ts'
import type { Exchange } from '../exchange/exchange.ts'

/** Exchanges looked at in one tick: no request waits for it longer than 4 ms. Measured: authenticate(), most of it, takes 0.9 µs. */
const MAX_AT_ONCE = 4096

/** What is checked again, and by what. */
export interface RecheckOwner {
  readonly exchanges: Iterable<Exchange>
  readonly directory: Directory
  /** False leaves everything that is under way alone. */
  readonly endsRevoked: boolean
  /** Epoch milliseconds by the clock that expiry goes by. */
  nowMs(): number
  /** Told of what should never happen. */
  report(error: unknown, request?: RequestIds): void
}

/**
 * Ends what is under way when it would be refused by now: its key was revoked, has expired, or lost the scope or network, or its
 * tenant was suspended or deleted. Of thousands of exchanges each tick looks at a bounded number.
 */
export class Recheck {
  readonly #owner: RecheckOwner
  #waiting: Exchange[] = []
  #isDue = false

  constructor(owner: RecheckOwner) {
    this.#owner = owner
  }

  /** Has every exchange that is under way now looked at, in the ticks to come. */
  begin(): void {
    this.#isDue = true
  }

  tick(): void {
    const { endsRevoked, exchanges, directory } = this.#owner
    const { snapshot, isStale } = directory
    if (!endsRevoked || snapshot === null) return
    if (this.#waiting.length === 0) {
      if (!this.#isDue) return
      this.#isDue = false
      this.#waiting = [...exchanges]
    }
    const nowMs = this.#owner.nowMs()
    for (const exchange of this.#waiting.splice(-MAX_AT_ONCE)) {
      try {
        if (exchange.isClosed || exchange.hasEnding) continue
        const refusal = refusalNow(exchange, snapshot, nowMs)
        // What a snapshot that is behind does not hold is not known to have been taken away.
        if ((refusal?.reason === 'unknown_key' || exchange.isVerified) && isStale) continue
        if (refusal !== null) exchange.carrier?.stop(refusal.outcome, refusal.reason)
      } catch (error) {
        this.#owner.report(error, exchange)
      }
    }
  }
}

/** Why an exchange that was let pass would be refused now; null if it would not. */
function refusalNow(exchange: Exchange, snapshot: Snapshot, nowMs: number): Refusal | null {
  const { carrier, credential, key, route } = exchange
  if (carrier !== null && exchange.isVerified && route?.signature) {
    const tenant = servedTenant(snapshot, route.signature.tenant)
    return 'reason' in tenant ? refuse(tenant.outcome, tenant.reason) : null
  }
  if (carrier === null || credential === null || key === null || route?.auth !== 'key') return null
  const { access } = exchange
  const clientIp = exchange.client.ip
  // A token that has expired meanwhile was good when the request came; its key has to be good on.
  const result =
    access === null
      ? authenticate(credential, snapshot, clientIp, nowMs)
      : checkKey(snapshot.keyById(key.id), { snapshot, clientIp, nowMs, access })
  if (!result.ok) {
    // As it is by now: the answer says when it expired.
    exchange.key = result.key ?? key
    return refuse(result.outcome, result.reason)
  }
  if (result.key.scopes === key.scopes) return null
  const permission = permissionOf(exchange, route, result.key.scopes)
  if (permission === 'yes' || (permission === 'by_body' && mayBeRead(exchange, route))) return null
  exchange.key = result.key
  return refuse('forbidden', 'scope')
}

/** Whether a body that decides is yet to be read, or was, and only reads. One that went upstream unread may write. */
function mayBeRead({ mustShowRead, body }: Exchange, route: Route): boolean {
  return Buffer.isBuffer(body) ? isReadBody(route, body) : mustShowRead
}
