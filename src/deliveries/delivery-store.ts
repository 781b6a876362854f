import type { PackedBody, Parcel, ParcelHead } from '../model/delivery/parcel.ts'

/** A parcel as it is stored: its body packed. */
export interface StoredParcel extends Omit<Parcel, 'body'> {
  readonly bodyBytes: number
  readonly packed: PackedBody
  /** Its sender was told so already: what is found to be a duplicate is noted as one. */
  readonly isPromised: boolean
}

/** What became of a parcel that was given to be stored: the id of the first of its kind for a duplicate, else null. */
export type Stored = ReadonlyMap<string, string | null>

/** One that waits, as its owner sees it. */
export interface WorkItem {
  /** Grows with the order of acceptance. */
  readonly seq: number
  readonly id: string
  readonly receivedAtMs: number
  readonly tenant: string
  readonly lane: string
  readonly coalesceBy: string
  readonly bodyBytes: number
  readonly attempts: number
  /** Until it may be tried; 0 and less: now. */
  readonly dueInMs: number
  /** Since it was received. */
  readonly ageMs: number
}

/** What a receiver gets. */
export interface Letter {
  readonly id: string
  readonly head: ParcelHead
  readonly traceId: string
  readonly packed: PackedBody
}

/** A route that this process delivers for now. */
export interface Lease {
  readonly route: string
  readonly epoch: number
  /** More than this process' share: to be given back once nothing of it is under way. */
  readonly isSurplus: boolean
}

/** What an attempt, or a decision, has made of a delivery. */
export interface Result {
  readonly route: string
  readonly epoch: number
  readonly seq: number
  readonly id: string
  readonly receivedAtMs: number
  readonly state: 'waiting' | 'delivered' | 'dead' | 'coalesced'
  readonly attempts: number
  /** Until the next attempt, of one that waits. */
  readonly delayMs: number
  readonly status: number | null
  readonly reason: string | null
  readonly intoId: string | null
}

/** What is asked of a route. */
export interface Asked {
  readonly route: string
  /** Only what has a number beyond it. */
  readonly afterSeq: number
  /** None of these numbers. */
  readonly known: readonly number[]
  /** Nothing of these lanes. */
  readonly lanes: readonly string[]
  readonly limit: number
}

/** What waits, of a tenant. */
export interface Depth {
  readonly tenant: string
  readonly waiting: number
  readonly dead: number
  readonly bytes: number
  /** Of the oldest that waits; 0 for none. */
  readonly oldestMs: number
}

/** The data plane's view of what is kept in PostgreSQL. All of it rejects with the database's error. */
export interface DeliveryStore {
  /** Stores all of them in one transaction, each once however often it is given. Those that the answer lacks are not stored. */
  keep(parcels: readonly StoredParcel[]): Promise<Stored>
  /** Says that this process lives and serves these routes; returns those that are its own for `leaseMs` from before the call. */
  beat(member: string, routes: readonly string[], leaseMs: number): Promise<Lease[]>
  /** Gives routes back. */
  release(member: string, routes: readonly string[]): Promise<void>
  /** What waits of routes, in their order; of what has no order only what is due soon. */
  waiting(asked: readonly Asked[]): Promise<{ readonly route: string; readonly item: WorkItem }[]>
  /** What is sent; what is gone meanwhile is not among them. */
  letters(items: readonly Pick<WorkItem, 'id' | 'receivedAtMs'>[]): Promise<Letter[]>
  /** Notes results; returns the numbers of those that were taken: others are of an owner of before. */
  settle(member: string, results: readonly Result[]): Promise<ReadonlySet<number>>
  depths(): Promise<Depth[]>
}
