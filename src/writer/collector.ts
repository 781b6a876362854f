import type { EntrySource } from '../channel/channel.ts'
import type { FlushTrigger } from '../model/stats.ts'
import type { Clock } from '../lib/time/clock.ts'
import type { Ledger } from '../channel/ledger.ts'

/**
 * Knows when a batch is due: when `flushEntries` wait, when the oldest has waited `flushIntervalMs`, when the last batch was full
 * and left something behind, or when a flush or a drain was requested. Drops that are in no ledger row yet are due like an entry.
 */
export class Collector {
  readonly #source: EntrySource
  readonly #ledger: Ledger
  readonly #flushEntries: number
  readonly #flushIntervalMs: number
  readonly #clock: Clock
  /** Entries were taken for the next batch already, which is due. */
  #isAhead = false
  /** All that waits is wanted, and why. */
  #request: 'flush' | 'drain' | null = null
  /** Why entries are due, other than by their number: the oldest has waited long enough, or a full batch left them there. */
  #due: 'interval' | 'size' | null = null
  #waitingSinceMs = Infinity
  #cancelInterval: (() => void) | null = null
  #endWait: (() => void) | null = null

  constructor(parts: {
    readonly source: EntrySource
    readonly ledger: Ledger
    readonly clock: Clock
    readonly options: { readonly flushEntries: number; readonly flushIntervalMs: number }
  }) {
    this.#source = parts.source
    this.#ledger = parts.ledger
    this.#clock = parts.clock
    this.#flushEntries = parts.options.flushEntries
    this.#flushIntervalMs = parts.options.flushIntervalMs
    this.#source.onWaiting(this.#flushEntries, (size) => this.#onWaiting(size))
  }

  /** Whether an entry waits, in the channel or taken ahead, or a drop that is in no ledger row. */
  get isPending(): boolean {
    return this.#isAhead || this.#source.size > 0 || this.#ledger.hasUnreportedDrops
  }

  /** Whether a drain was requested. */
  get isDraining(): boolean {
    return this.#request === 'drain'
  }

  /** How full the channel is, 0 to 1. */
  get fill(): number {
    return this.#source.fill
  }

  /** When the oldest entry in the channel was pushed; Infinity when it is empty. */
  get waitingSinceMs(): number {
    return this.#waitingSinceMs
  }

  /** Why a batch is due, or null. */
  get trigger(): FlushTrigger | null {
    if (this.#isAhead || this.#source.size >= this.#flushEntries || this.#due === 'size') return 'size'
    if (!this.isPending) return null
    return this.#request ?? this.#due
  }

  /** From now on all that waits is due: `flush` until the next batch, `drain` for good. */
  request(why: 'flush' | 'drain'): void {
    if (why === 'drain' || (this.#source.size > 0 && this.#request === null)) this.#request = why
    this.#endWait?.()
  }

  /** Resolves when `trigger` may have changed. */
  async wait(): Promise<void> {
    if (this.isPending) this.#armInterval()
    await new Promise<void>((resolve) => {
      this.#endWait = resolve
    })
    this.#endWait = null
  }

  /**
   * The first entries of the next batch were taken while another is on its way: the next batch is due. `waitingSinceMs` stays as it is
   * until that batch is `taken`.
   */
  takenAhead(): void {
    this.#isAhead = true
  }

  /** A batch has taken what waited; `isLeftover`: it was full before the channel was empty, so the next is due at once. */
  taken(isLeftover: boolean): void {
    this.#clearInterval()
    this.#isAhead = false
    this.#due = isLeftover ? 'size' : null
    // A flush asks for what was there when it was called; a full batch has not taken all of it.
    if (!isLeftover && this.#request === 'flush') this.#request = null
    const oldest = this.#source.peek()
    if (oldest === undefined) {
      this.#waitingSinceMs = Infinity
      return
    }
    // The end of its request is when it was pushed; held between the bounds that are known, whatever the entry says.
    const nowMs = this.#clock.nowMs()
    const pushedAtMs = Math.min(oldest.startedAtMs + oldest.durationUs / 1000, nowMs)
    this.#waitingSinceMs = Math.max(this.#waitingSinceMs, pushedAtMs) || nowMs
  }

  /** Nothing is collected any more: the source is closed, and no timer runs. */
  stop(): void {
    this.#source.close()
    this.#clearInterval()
    this.#isAhead = false
    this.#waitingSinceMs = Infinity
    this.#endWait?.()
  }

  /** Called from within push, so it does no more than it must. */
  #onWaiting(size: number): void {
    if (size === 1) {
      if (!this.#isAhead) this.#waitingSinceMs = this.#clock.nowMs()
      this.#armInterval()
    }
    if (size >= this.#flushEntries) this.#endWait?.()
  }

  #armInterval(): void {
    this.#cancelInterval ??= this.#clock.after(this.#flushIntervalMs, () => {
      this.#cancelInterval = null
      this.#due = 'interval'
      this.#endWait?.()
    })
  }

  #clearInterval(): void {
    this.#cancelInterval?.()
    this.#cancelInterval = null
  }
}
