const MIB = 1024 * 1024
/** What all may hold, and each of them. */
const UNVERIFIED = { all: 128 * MIB, each: 32 * MIB }
const VERIFIED = { all: 128 * MIB, each: 64 * MIB }

type Bounds = typeof UNVERIFIED

/** Bytes of bodies that are held in this process: a bounded number, of which no holder has more than a share. */
class Share {
  readonly #bounds: Bounds
  readonly #byHolder = new Map<string, number>()
  #all = 0

  constructor(bounds: Bounds) {
    this.#bounds = bounds
  }

  take(holder: string, bytes: number): boolean {
    const held = (this.#byHolder.get(holder) ?? 0) + bytes
    if (held > this.#bounds.each || this.#all + bytes > this.#bounds.all) return false
    this.#byHolder.set(holder, held)
    this.#all += bytes
    return true
  }

  give(holder: string, bytes: number): void {
    const held = (this.#byHolder.get(holder) ?? 0) - bytes
    if (held > 0) this.#byHolder.set(holder, held)
    else this.#byHolder.delete(holder)
    this.#all -= bytes
  }
}

/** Who holds a body: until it is verified its source, then the tenant. */
interface Holder {
  heldBytes: number
  holder: string
  readonly isVerified: boolean
}

/**
 * Shares of what is held of bodies that are waited for: strangers cannot take the place of what is verified, nor one source that of all
 * others, nor a tenant with a slow receiver that of other tenants.
 */
export class HeldShares {
  readonly #unverified = new Share(UNVERIFIED)
  readonly #verified = new Share(VERIFIED)

  /** Takes for a source; false when there is no more. */
  take(body: Holder, source: string, bytes: number): boolean {
    if (!this.#unverified.take(source, bytes)) return false
    body.holder = source
    body.heldBytes += bytes
    return true
  }

  /** What was held for a source is held for a tenant; false when the tenant has no more: then nothing of it is counted. */
  pass(body: Holder, tenant: string): boolean {
    const { heldBytes } = body
    this.#unverified.give(body.holder, heldBytes)
    const isTaken = this.#verified.take(tenant, heldBytes)
    body.holder = tenant
    if (!isTaken) body.heldBytes = 0
    return isTaken
  }

  /** Gives back what is held. */
  release(body: Holder): void {
    if (body.heldBytes === 0) return
    const share = body.isVerified ? this.#verified : this.#unverified
    share.give(body.holder, body.heldBytes)
    body.heldBytes = 0
  }
}
