import type { Clock } from '../../lib/time/clock.ts'
import { DROP_REASONS, type Ledger } from '../../channel/ledger.ts'
import type { LogLines } from '../../lib/log-lines.ts'

/** From the first drop to its line: drops that come together are told together. */
const FIRST_MS = 100
/** Nothing dropped for this long is the end. */
const QUIET_MS = 5000
/** While it lasts. */
const REPEAT_MS = 30_000

const MAX_TENANTS_NAMED = 20

/** Why nothing takes the entries away, as far as known. */
export interface DropCause {
  /** Code of the last failure of the database, and of the disk. */
  readonly database: string | null
  readonly disk: string | null
}

/**
 * Tells of drops when they begin, with the reason; every half minute while they last; and all told when they have ended. Looks at the
 * ledger alone, which works even when the writer hangs.
 */
export class DropLog {
  readonly #ledger: Ledger
  readonly #clock: Clock
  readonly #logger: LogLines
  readonly #cause: () => DropCause
  #cancel: (() => void) | null = null
  #isStopped = false
  /** By reason, when the present episode began, and at the last look. */
  #before = new Map<string, number>()
  #last = 0
  #sinceMs = 0
  #changedAtMs = 0
  #toldAtMs = 0

  constructor(parts: {
    readonly ledger: Ledger
    readonly clock: Clock
    readonly logger: LogLines
    readonly cause: () => DropCause
  }) {
    this.#ledger = parts.ledger
    this.#clock = parts.clock
    this.#logger = parts.logger
    this.#cause = parts.cause
    parts.ledger.onDrop(() => this.#begin())
  }

  /** Whether entries are being dropped. */
  get isDropping(): boolean {
    return this.#cancel !== null
  }

  /** Tells of the end of an episode that lasts, and then no more. */
  stop(): void {
    this.#isStopped = true
    if (this.#cancel === null) return
    this.#cancel()
    this.#end()
  }

  /** Called from within a push: the line is written later. */
  #begin(): void {
    if (this.#isStopped || this.#cancel !== null) return
    this.#sinceMs = this.#clock.nowMs()
    this.#last = 0
    this.#toldAtMs = -Infinity
    this.#cancel = this.#clock.after(FIRST_MS, () => this.#look())
  }

  #look(): void {
    const nowMs = this.#clock.nowMs()
    const { entries, reasons } = this.#fallen()
    if (entries !== this.#last) this.#changedAtMs = nowMs
    this.#last = entries
    if (nowMs - this.#changedAtMs >= QUIET_MS) return this.#end()
    if (nowMs - this.#toldAtMs >= REPEAT_MS) {
      this.#toldAtMs = nowMs
      const fields = { entries, reasons, ...this.#cause() }
      this.#logger.error(fields, 'access log: entries are being dropped')
    }
    this.#cancel = this.#clock.after(QUIET_MS, () => this.#look())
  }

  #end(): void {
    const { entries, reasons, tenants } = this.#fallen()
    this.#cancel = null
    for (const [reason, count] of Object.entries(reasons))
      this.#before.set(reason, (this.#before.get(reason) ?? 0) + count)
    const seconds = Math.round((this.#clock.nowMs() - this.#sinceMs) / 1000)
    const fields = { entries, reasons, seconds, tenants }
    if (entries > 0) this.#logger.warn(fields, 'access log: dropping has ended')
    this.#ledger.onDrop(() => this.#begin())
  }

  /** Since the beginning; what a shutdown loses has a line of its own. `tenants`: who has lost most since the start. */
  #fallen() {
    const reasons: Record<string, number> = {}
    let entries = 0
    const { dropped } = this.#ledger.totals
    for (const reason of DROP_REASONS) {
      if (reason === 'shutdown') continue
      const count = dropped[reason] - (this.#before.get(reason) ?? 0)
      if (count > 0) reasons[reason] = count
      entries += count
    }
    const losers = [...this.#ledger.accounts()]
      .map((account) => [account.tenant, account.dropped.channel_full + account.dropped.rejected] as const)
      .filter(([, count]) => count > 0)
      .sort(([, a], [, b]) => b - a)
    return { entries, reasons, tenants: Object.fromEntries(losers.slice(0, MAX_TENANTS_NAMED)) }
  }
}
