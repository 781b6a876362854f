import type { Options } from '../../config/options.ts'
import { LEASE_MS, PostgresCallBook, RENEW_MS } from '../../idempotency/call-book.ts'
import { KeptShare } from '../../idempotency/kept-share.ts'
import { systemClock } from '../../lib/time/clock.ts'
import { Periodic, tellFailures } from '../../lib/time/periodic.ts'
import { Seldom } from '../../lib/time/seldom.ts'
import type { Logger } from '../../logger/logger.ts'
import type { DatabaseTarget } from '../../model/database-target.ts'
import type { CallBook, Claimed, RepeatableCall } from '../../model/idempotency/kept-calls.ts'
import type { Route } from '../../model/route.ts'
import type { IdempotencyStats } from '../../model/stats.ts'
import { IDEMPOTENCY_CONNECTIONS, PostgresCalls } from '../../store/idempotency/kept-calls.ts'
import { closeSql, openControl } from '../../store/sql.ts'

const CLOSE_MS = 1000
/** What is kept of each tenant is counted so often. */
const COUNT_MS = 60_000

/** What routes with `idempotency` need, from the first one on: without any, nothing of it is made. */
export class IdempotencyKeys implements CallBook {
  readonly #target: DatabaseTarget
  readonly #options: Options
  readonly #logger: Logger
  #work: { readonly book: PostgresCallBook; readonly stop: (ms: number) => Promise<void> } | null = null

  constructor(parts: {
    readonly target: DatabaseTarget
    readonly options: Options
    readonly logger: Logger
  }) {
    const { target, options, logger } = parts
    this.#target = target
    this.#options = options
    this.#logger = logger
  }

  /** Takes over what a reload may change. */
  apply(routes: readonly Route[]): void {
    if (this.#work === null && routes.some(({ idempotency = null }) => idempotency !== null))
      this.#work = this.#begin()
  }

  /** See CallBook. */
  async claim(call: RepeatableCall): Promise<Claimed> {
    return (await this.#work?.book.claim(call)) ?? { kind: 'unknown' }
  }

  /** Null while no route heeds keys. */
  get stats(): IdempotencyStats | null {
    return this.#work?.book.stats ?? null
  }

  /** Nothing more is claimed; what has ended is told to the database within `ms`. */
  async stop(ms: number): Promise<void> {
    await this.#work?.stop(ms)
  }

  #begin(): { readonly book: PostgresCallBook; readonly stop: (ms: number) => Promise<void> } {
    const sql = openControl(this.#target, {
      applicationName: 'waybill idempotency',
      max: IDEMPOTENCY_CONNECTIONS,
    })
    const seldom = new Seldom()
    const logger = this.#logger
    const store = new PostgresCalls(sql)
    const share = new KeptShare({
      keys: this.#options['idempotency.maxKeys'],
      bytes: this.#options['idempotency.maxBytes'],
    })
    const book = new PostgresCallBook({
      store,
      share,
      clock: systemClock,
      onFailure: (error) => {
        const times = seldom.occur('call', performance.now())
        if (times > 0) logger.warn({ err: error, times }, 'idempotency: the database does not do its part')
      },
    })
    const renewal = new Periodic({
      run: () => book.renew(),
      intervalMs: RENEW_MS,
      pace: 'beat',
      ...tellFailures(logger, {
        failed: `idempotency: keys of calls under way are not renewed; they end after ${LEASE_MS / 1000} s`,
        well: 'idempotency: keys of calls under way are renewed again',
      }),
    })
    const counting = new Periodic({
      run: async () => share.set(await store.usage()),
      intervalMs: COUNT_MS,
      pace: 'rest',
      jitter: 0.2,
      ...tellFailures(logger, {
        failed: 'idempotency: what is kept is not counted; trying again',
        well: 'idempotency: what is kept is counted again',
      }),
    })
    renewal.start()
    counting.start(1)
    const stop = async (ms: number): Promise<void> => {
      await Promise.all([renewal.stop(0), counting.stop(0)])
      await book.stop(ms)
      await closeSql(sql, CLOSE_MS)
    }
    return { book, stop }
  }
}
