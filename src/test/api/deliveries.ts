import type { StoredParcel } from '../../deliveries/delivery-store.ts'
import { deliveryId } from '../../model/delivery/delivery-id.ts'
import { PostgresDeliveries } from '../../store/deliveries/delivery-store.ts'
import type { Sql } from '../../store/sql.ts'

const MEMBER = '00000000-0000-4000-8000-000000000001'

/** For tests: keeps deliveries, and notes what became of them, as a gateway does. */
export class TestDeliveries {
  readonly store: PostgresDeliveries
  /** When the first is received, epoch milliseconds. */
  readonly startMs: number
  #made = 0

  private constructor(sql: Sql, startMs: number) {
    this.store = new PostgresDeliveries(sql)
    this.startMs = startMs
  }

  /** The first is received now, by the database's clock; each other one a millisecond later. */
  static async open(sql: Sql): Promise<TestDeliveries> {
    const [clock] = await sql<{ ms: number }[]>`SELECT (extract(epoch FROM now()) * 1000)::bigint AS ms`
    return new TestDeliveries(sql, clock?.ms ?? 0)
  }

  /** What a sender gave: of acme for the route hook, unless told. */
  parcel(more: Partial<StoredParcel> = {}): StoredParcel {
    const receivedAtMs = more.receivedAtMs ?? this.startMs + this.#made++
    return {
      id: deliveryId(receivedAtMs),
      receivedAtMs,
      tenant: 'acme',
      route: 'hook',
      lane: 'a',
      coalesceBy: '',
      senderKey: null,
      dedupeMs: 60_000,
      requestId: 'request',
      traceId: '',
      head: { method: 'POST', path: '/', shown: '/', query: '', host: null, fields: [] },
      packed: { packing: '', bytes: Buffer.from('body') },
      bodyBytes: 4,
      isPromised: false,
      ...more,
    }
  }

  /** Keeps as many of the kind; returns their ids, oldest first. */
  async keep(n: number, more: Partial<StoredParcel> = {}): Promise<string[]> {
    const parcels = Array.from({ length: n }, () => this.parcel(more))
    await this.store.keep(parcels)
    return parcels.map(({ id }) => id)
  }

  /** Has all that waits of a route end so, after one attempt. */
  async end(route: string, state: 'delivered' | 'dead'): Promise<void> {
    const leases = await this.store.beat(MEMBER, [route], 60_000)
    const epoch = leases[0]?.epoch ?? 0
    const waiting = await this.store.waiting([{ route, afterSeq: 0, known: [], lanes: [], limit: 10_000 }])
    const status = state === 'delivered' ? 204 : 500
    const reason = state === 'delivered' ? null : 'status'
    const results = waiting.map(({ item: { seq, id, receivedAtMs } }) => ({
      route,
      epoch,
      seq,
      id,
      receivedAtMs,
      state,
      attempts: 1,
      delayMs: 0,
      status,
      reason,
      intoId: null,
    }))
    await this.store.settle(MEMBER, results)
  }
}
