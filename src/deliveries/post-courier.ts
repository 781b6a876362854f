import { Seldom } from '../lib/time/seldom.ts'
import { secretField } from '../integrations/secret-field.ts'
import type { EntrySink } from '../model/access-entry.ts'
import type { BodyKey } from '../model/delivery/body-key.ts'
import type { Directory } from '../model/grant.ts'
import type { Route } from '../model/route.ts'
import { upstreamOrigin, upstreamPath } from '../model/upstream/upstream-place.ts'
import type { Dispatcher } from '../upstream/dispatcher.ts'
import { attempt, type AttemptEnd } from './attempt.ts'
import type { Letter } from './delivery-store.ts'
import { letterRequest } from './letter-request.ts'
import { unpackBody } from './pack-body.ts'
import type { Courier } from './post-office.ts'
import type { Batch } from './route-queue.ts'

export interface PostCourierParts {
  readonly dispatcher: Dispatcher
  readonly sink: EntrySink
  readonly directory: Pick<Directory, 'snapshot'>
  readonly later: (ms: number, fn: () => void) => () => void
  /** Epoch milliseconds by the clock that entries go by. */
  readonly nowMs: () => number
  readonly keys: readonly BodyKey[]
  readonly log: { error(fields: object, message: string): void }
}

/** Makes attempts through the same pools as forwarded requests, each with an entry in the access log. */
export class PostCourier implements Courier {
  readonly #parts: PostCourierParts
  readonly #seldom = new Seldom()

  constructor(parts: PostCourierParts) {
    this.#parts = parts
  }

  /** See Courier. */
  async deliver(route: Route, batch: Batch, letter: Letter): Promise<AttemptEnd | null> {
    const { directory, sink, nowMs } = this.#parts
    const { item } = batch
    const tenant = directory.snapshot?.tenants.get(item.tenant)
    if (tenant === undefined || tenant.state !== 'active') return null
    const body = this.#open(letter)
    if (body === null) return null
    const isReserved = tenant.logPolicy === 'strict'
    if (isReserved && sink.reserve(item.tenant) !== null) return null
    const { path, query, shown } = letter.head
    const request = letterRequest({
      route,
      item,
      letter,
      body,
      attempt: batch.attempt,
      origin: upstreamOrigin(route, item.tenant),
      path: upstreamPath(route, path, query, item.tenant),
      secret: secretField(route),
      tick: performance.now(),
    })
    const facts = {
      tenant: item.tenant,
      deliveryId: item.id,
      traceId: letter.traceId,
      startedAtMs: nowMs(),
      path: shown,
      isReserved,
    }
    return await attempt(
      this.#parts,
      request,
      facts,
      route.delivery?.deliver.timeoutMs ?? route.headerTimeoutMs,
    )
  }

  /** Null for what cannot be opened: its key is not there, perhaps not yet. */
  #open(letter: Letter): Buffer | null {
    try {
      return unpackBody(letter.packed, this.#parts.keys)
    } catch (error) {
      const times = this.#seldom.occur('open', performance.now())
      if (times > 0)
        this.#parts.log.error(
          { err: error, delivery: letter.id, times },
          'deliveries: a body cannot be opened',
        )
      return null
    }
  }
}
