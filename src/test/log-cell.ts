import type { AccessEntry } from '../model/access-entry.ts'
import { LOG_POLICIES, type LogPolicy } from '../model/log-policy.ts'
import { brokenAccounts, entryOf, failureOf } from './writer-parts.ts'
import { TestLog } from './log.ts'

/** For tests: what may have happened to Postgres, and to the disk of the spill. */
export const DATABASES = ['healthy', 'slow', 'frozen', 'down'] as const
export const DISKS = ['free', 'full', 'off', 'hanging'] as const

export type DatabaseState = (typeof DATABASES)[number]
export type DiskState = (typeof DISKS)[number]

const CAPACITY = 200
const STEP_MS = 200
/** Requests of each tenant in a step. Together 60 a second: more than a slow database stores, which is 25 (50 in 2 s). */
const PER_STEP = 4
/** Three times what fills the channel. */
const TROUBLE_MS = 20_000
const SLOW_MS = 2000

/** For tests: what a tenant has seen. */
export interface Experience {
  /** Requests that went on, and that were refused, by reason. */
  answered: number
  readonly refused: Record<'log_blocked' | 'log_full', number>
  /** Its entries: most that were on disk at once; lost, those of refused requests included. */
  spilled: number
  dropped: number
}

/**
 * For tests: an access log in one state of Postgres and the disk, under a load that is more than what is left of it can take. One
 * tenant of each policy, named after it; each makes its requests as the handler does: asks for a place, or not, and pushes later.
 */
export class LogCell {
  readonly log: TestLog
  readonly tenants: Record<LogPolicy, Experience> = {
    best_effort: experience(),
    spill: experience(),
    strict: experience(),
  }
  /** An entry of another policy was dropped although one of best_effort was in the channel. */
  isOrderBroken = false
  readonly #database: DatabaseState
  readonly #disk: DiskState
  #answer: () => void = () => {}
  #inFlight: AccessEntry[] = []

  constructor(database: DatabaseState, disk: DiskState) {
    this.#database = database
    this.#disk = disk
    const spillMaxBytes = { free: 1e9, full: 1, off: 0, hanging: 1e9 }[disk]
    this.log = new TestLog({ capacityEntries: CAPACITY, spillMaxBytes })
  }

  /** Some good time, then trouble until all that can be full is. */
  async suffer(): Promise<void> {
    const { store, disk } = this.log
    await this.#load(3000)
    if (this.#disk === 'hanging') this.#answer = disk.hang()
    if (this.#database === 'slow') store.slowMs = SLOW_MS
    if (this.#database === 'frozen') store.script.push(...Array.from({ length: 1000 }, () => 'hang' as const))
    if (this.#database === 'down') store.failure = failureOf('retry', 'ECONNREFUSED')
    await this.#load(TROUBLE_MS)
  }

  /** Requests of the strict tenant until no place is left for it. */
  claimAll(): void {
    const { refused } = this.tenants.strict
    const before = refused.log_full + refused.log_blocked
    while (refused.log_full + refused.log_blocked === before) this.#request('strict')
  }

  /** All is well again, until nothing waits any more. Returns what is wrong with the books, and with what was promised. */
  async recover(): Promise<string[]> {
    const { store, ledger, channel, writer } = this.log
    for (const entry of this.#inFlight) this.#push(entry)
    store.slowMs = 0
    store.script.length = 0
    store.failure = null
    this.#answer()
    await this.log.pass(40_000)
    const problems = brokenAccounts(ledger).map((tenant) => `the books of ${tenant} do not balance`)
    const { buffered, spilled, stored } = ledger.totals
    if (buffered + spilled > 0) problems.push(`${buffered} buffered and ${spilled} spilled are left`)
    if (new Set(store.rows.map(({ seq }) => seq)).size !== stored) problems.push('rows are missing or double')
    const kept = store.rows.filter(({ path }) => path === '/held').length
    const promised = this.tenants.strict.answered
    if (kept !== promised) problems.push(`${kept} of ${promised} promised entries are stored`)
    if (channel.stats.reserved > 0) problems.push('places are still claimed')
    await Promise.all([writer.drain(1000), this.log.pass(5000)])
    return problems
  }

  /** A request of each tenant at each step; its entry comes with the next step. */
  async #load(ms: number): Promise<void> {
    const { ledger } = this.log
    for (let passed = 0; passed < ms; passed += STEP_MS) {
      const ended = this.#inFlight
      this.#inFlight = []
      for (const entry of ended) this.#push(entry)
      for (let i = 0; i < PER_STEP; i++) {
        for (const policy of LOG_POLICIES) this.#request(policy)
      }
      await this.log.pass(STEP_MS)
      for (const policy of LOG_POLICIES) {
        const tenant = this.tenants[policy]
        tenant.spilled = Math.max(tenant.spilled, ledger.account(policy).spilled)
      }
    }
    for (const entry of this.#inFlight) this.#push(entry)
    this.#inFlight = []
  }

  #request(policy: LogPolicy): void {
    const fields = { tenant: policy, startedAtMs: this.log.clock.nowMs() }
    const refusal = policy === 'strict' ? this.log.channel.reserve(policy) : null
    if (refusal !== null) {
      this.tenants[policy].refused[refusal]++
      this.#push(entryOf({ ...fields, outcome: 'log_unavailable', status: 503, path: '/refused' }))
      return
    }
    this.tenants[policy].answered++
    const standing = { best_effort: 'loose', spill: 'firm', strict: 'held' } as const
    const entry = entryOf({ ...fields, standing: standing[policy], path: `/${standing[policy]}` })
    this.#inFlight.push(Object.assign(entry, { outcome: 'forwarded' }))
  }

  #push(entry: AccessEntry): void {
    const { channel, ledger } = this.log
    const loose = ledger.account('best_effort').queueShare.loose.size
    channel.push(entry)
    for (const policy of LOG_POLICIES) {
      const tenant = this.tenants[policy]
      const dropped = ledger.account(policy).dropped.channel_full
      if (dropped > tenant.dropped && policy !== 'best_effort' && loose > 0) this.isOrderBroken = true
      tenant.dropped = dropped
    }
  }
}

function experience(): Experience {
  return { answered: 0, refused: { log_blocked: 0, log_full: 0 }, spilled: 0, dropped: 0 }
}
