import type { Snapshot } from '../../model/grant.ts'
import { authenticate } from './authenticate.ts'
import { permissionOf, type Refusal } from './decide.ts'
import type { Exchange } from '../exchange.ts'
import type { Handler } from '../handler.ts'
import { isLfsDownload } from './lfs-batch.ts'

/** Exchanges looked at in one tick: no request waits for it longer than 4 ms. Measured: authenticate(), most of it, takes 0.9 µs. */
const MAX_AT_ONCE = 4096

/**
 * Ends what is under way when it would be refused by now: its key was revoked, has expired, or lost the scope or network, or its
 * tenant was suspended or deleted. Of thousands of exchanges each tick looks at a bounded number.
 */
export class Recheck {
  readonly #handler: Handler
  #waiting: Exchange[] = []
  #isDue = false

  constructor(handler: Handler) {
    this.#handler = handler
  }

  /** Has every exchange that is under way now looked at, in the ticks to come. */
  begin(): void {
    this.#isDue = true
  }

  tick(): void {
    const { endsRevoked, exchanges, deps } = this.#handler
    const { snapshot, isStale } = deps.directory
    if (!endsRevoked || snapshot === null) return
    if (this.#waiting.length === 0) {
      if (!this.#isDue) return
      this.#isDue = false
      this.#waiting = [...exchanges]
    }
    const nowMs = this.#handler.nowMs()
    for (const exchange of this.#waiting.splice(-MAX_AT_ONCE)) {
      try {
        if (exchange.isClosed || exchange.hasEnding) continue
        const refusal = refusalNow(exchange, snapshot, nowMs)
        // What a snapshot that is behind does not hold is not known to have been taken away.
        if (refusal?.reason === 'unknown_key' && isStale) continue
        if (refusal !== null) exchange.carrier?.stop(refusal.outcome, refusal.reason)
      } catch (error) {
        this.#handler.report(error)
      }
    }
  }
}

/** Why an exchange that was let pass would be refused now; null if it would not. */
function refusalNow(exchange: Exchange, snapshot: Snapshot, nowMs: number): Refusal | null {
  const { carrier, credential, key, route } = exchange
  if (carrier === null || credential === null || key === null || route?.auth !== 'key') return null
  const result = authenticate(credential, snapshot, exchange.client.ip, nowMs)
  if (!result.ok) return { outcome: result.outcome, reason: result.reason, limit: null }
  if (result.key.scopes === key.scopes) return null
  const permission = permissionOf(exchange, route, result.key.scopes)
  if (permission === 'yes' || (permission === 'by_body' && mayBeRead(exchange))) return null
  return { outcome: 'forbidden', reason: 'scope', limit: null }
}

/** Whether a body that decides is yet to be read, or was, and only reads. One that went upstream unread may write. */
function mayBeRead({ mustShowRead, content }: Exchange): boolean {
  return content === null ? mustShowRead : isLfsDownload(content)
}
