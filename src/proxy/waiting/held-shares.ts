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

/** Bytes of one body: held for its source, and for its tenant once it is verified. */
export class HeldBody {
  readonly #verified: Share
  #share: Share
  #holder: string
  #bytes = 0

  constructor(unverified: Share, verified: Share, source: string) {
    this.#verified = verified
    this.#share = unverified
    this.#holder = source
  }

  /** Takes for the holder; false when there is no more. */
  take(bytes: number): boolean {
    if (!this.#share.take(this.#holder, bytes)) return false
    this.#bytes += bytes
    return true
  }

  /** What was held for a source is held for a tenant; false when the tenant has no more: then nothing is held. */
  pass(tenant: string): boolean {
    const bytes = this.#bytes
    this.release()
    this.#share = this.#verified
    this.#holder = tenant
    return this.take(bytes)
  }

  /** Gives back what is held. */
  release(): void {
    this.#share.give(this.#holder, this.#bytes)
    this.#bytes = 0
  }
}

/**
 * Shares of what is held of bodies that are waited for: strangers cannot take the place of what is verified, nor one source that of all
 * others, nor a tenant with a slow receiver that of other tenants.
 */
export class HeldShares {
  readonly #unverified = new Share(UNVERIFIED)
  readonly #verified = new Share(VERIFIED)

  /** A body of a tenant, which is known before it. */
  openFor(tenant: string): HeldBody {
    return new HeldBody(this.#verified, this.#verified, tenant)
  }

  /** A body of a source, of which nothing is held yet. */
  open(source: string): HeldBody {
    return new HeldBody(this.#unverified, this.#verified, source)
  }
}
