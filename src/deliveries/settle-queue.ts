import type { Clock } from '../lib/time/clock.ts'
import { backoffMs } from '../lib/time/backoff.ts'
import { sleep } from '../lib/time/sleep.ts'
import { endsWithin } from '../lib/time/within.ts'
import type { DeliveryStore, Result } from './delivery-store.ts'

/** Results of one statement at most. */
const MAX_RESULTS = 500
const RETRY = { minMs: 200, maxMs: 5000 }

interface Waiting {
  readonly results: readonly Result[]
  readonly resolve: (isTaken: boolean) => void
}

/**
 * Notes what attempts came to, many at a time. What the database does not take is noted again until it does: a delivery whose end is not noted
 * is neither tried again nor given up by this process.
 */
export class SettleQueue {
  readonly #store: Pick<DeliveryStore, 'settle'>
  readonly #member: string
  readonly #clock: Clock
  readonly #log: { warn(fields: object, message: string): void }
  #waiting: Waiting[] = []
  #running: Promise<void> | null = null
  #isStopped = false

  constructor(
    store: Pick<DeliveryStore, 'settle'>,
    member: string,
    clock: Clock,
    log: { warn(fields: object, message: string): void },
  ) {
    this.#store = store
    this.#member = member
    this.#clock = clock
    this.#log = log
  }

  /** Resolves true when they are noted, false when another process owns the route by now: then they count for nothing. */
  add(results: readonly Result[]): Promise<boolean> {
    return new Promise((resolve) => {
      this.#waiting.push({ results, resolve })
      this.#running ??= this.#run()
    })
  }

  /** Notes what it has within `ms`, if the database takes it: what is not noted is delivered once more by the next owner. */
  async stop(ms: number): Promise<void> {
    if (this.#running !== null) await endsWithin(this.#running, ms, this.#clock)
    this.#isStopped = true
  }

  async #run(): Promise<void> {
    // Those of the same turn go together.
    await this.#clock.turn()
    let failures = 0
    while (this.#waiting.length > 0 && !this.#isStopped) {
      const taken = this.#take()
      try {
        const seqs = await this.#store.settle(
          this.#member,
          taken.flatMap(({ results }) => results),
        )
        failures = 0
        for (const { results, resolve } of taken) resolve(results.every(({ seq }) => seqs.has(seq)))
      } catch (error) {
        if (failures === 0) this.#log.warn({ err: error }, 'deliveries: what became of them cannot be noted')
        this.#waiting = [...taken, ...this.#waiting]
        const waitMs = backoffMs(failures++, RETRY.minMs, RETRY.maxMs, Math.random)
        await sleep(waitMs, { clock: this.#clock, isBackground: true })
      }
    }
    this.#running = null
  }

  #take(): Waiting[] {
    let count = 0
    let size = 0
    for (const { results } of this.#waiting) {
      if (count > 0 && size + results.length > MAX_RESULTS) break
      size += results.length
      count++
    }
    return this.#waiting.splice(0, count)
  }
}
