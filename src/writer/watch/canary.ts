import { AccessEntry, type EntrySink } from '../../model/access-entry.ts'
import { CANARY_OUTCOME, CANARY_TENANT } from '../../model/canary.ts'
import type { CanaryStats } from '../../model/stats.ts'
import type { Clock } from '../../lib/time/clock.ts'
import { Periodic } from '../../lib/time/periodic.ts'
import type { Account, Ledger } from '../../channel/ledger.ts'

/**
 * Puts an entry of its own into the channel every few seconds, and measures how long it takes until it is committed: with the
 * encoding, the wait for the batch, the COPY, its partition, and the spill and replay where they come in between. It has a
 * share of the channel like a tenant that sends little: it waits as long as the entries of such a tenant.
 *
 * One at a time: while one is on its way, no other is sent, so that an outage does not heap them up. One that was dropped or refused
 * is counted as lost, and the next is sent. Why a real entry: docs/decisions/0027.
 */
export class Canary {
  readonly #sink: EntrySink
  readonly #clock: Clock
  readonly #account: Account
  readonly #ticks: Periodic
  #isOnItsWay = false
  #sentAtMs = 0
  #sent = 0
  #arrived = 0
  #lost = 0
  #roundTripMs: number | null = null
  /** When the newest one that arrived was sent; before the first, when it all began. */
  #provenAtMs = 0

  constructor(parts: {
    readonly sink: EntrySink
    readonly ledger: Ledger
    readonly intervalMs: number
    readonly clock: Clock
  }) {
    this.#sink = parts.sink
    const { intervalMs, clock } = parts
    this.#ticks = new Periodic({ run: async () => this.#tick(), intervalMs, pace: 'beat', clock })
    this.#clock = parts.clock
    this.#account = parts.ledger.account(CANARY_TENANT)
    this.#provenAtMs = parts.clock.nowMs()
    parts.ledger.watch(this.#account, () => this.#look())
  }

  /** Sends the first one now, and further ones until `stop`. A second call does nothing. */
  start(): void {
    this.#ticks.start(0)
  }

  /** Sends no more. */
  stop(): void {
    void this.#ticks.stop(0)
  }

  /** The numbers at this moment. */
  get stats(): CanaryStats {
    return {
      sent: this.#sent,
      arrived: this.#arrived,
      lost: this.#lost,
      roundTripMs: this.#roundTripMs,
      ageMs: Math.max(0, this.#clock.nowMs() - this.#provenAtMs),
    }
  }

  #tick(): void {
    if (this.#isOnItsWay) return
    this.#isOnItsWay = true
    this.#sentAtMs = this.#clock.nowMs()
    if (this.#sent === 0) this.#provenAtMs = this.#sentAtMs
    this.#sent++
    const entry = new AccessEntry()
    entry.startedAtMs = this.#sentAtMs
    entry.tenant = CANARY_TENANT
    entry.outcome = CANARY_OUTCOME
    if (!this.#sink.push(entry)) this.#look()
  }

  /** The canary's account has changed: looks whether the canary has arrived or was lost. */
  #look(): void {
    const { accepted, stored, buffered, spilled } = this.#account
    if (!this.#isOnItsWay || buffered + spilled > 0 || accepted < this.#sent) return
    this.#isOnItsWay = false
    if (stored === this.#arrived) {
      this.#lost++
      return
    }
    this.#arrived = stored
    this.#provenAtMs = this.#sentAtMs
    this.#roundTripMs = this.#clock.nowMs() - this.#sentAtMs
  }
}
