import type { EntryRow } from '../../model/entry-columns.ts'
import type { DeliveryAccount } from '../../store/deliveries/delivery-accounts.ts'
import type { RepeatableState } from '../../store/deliveries/delivery-decisions.ts'
import type { DeliveryFilter, DeliveryRow } from '../../store/deliveries/deliveries.ts'

/** A delivery, and the access entries of its attempts, newest first. */
export interface FoundDelivery {
  readonly row: DeliveryRow
  readonly entries: readonly EntryRow[]
}

/** Of which deliveries the books are. */
export interface AccountWindow {
  readonly tenant?: string
  readonly since: Date
  readonly until: Date
}

/** What routes with `mode: accept` keep. All reject with a StoreError for what is refused. */
export interface DeliveryPort {
  /** Newest first. */
  listDeliveries(filter: DeliveryFilter, limit: number): Promise<readonly DeliveryRow[]>
  getDelivery(id: string): Promise<FoundDelivery | null>
  /** The id of the new one. */
  redeliverOne(id: string): Promise<string>
  dropOne(id: string): Promise<void>
  /** Of the oldest, as many as one transaction takes; returns how many, and whether there may be more. */
  redeliverSearch(filter: DeliverySearch<RepeatableState>): Promise<Decided>
  dropSearch(filter: DeliverySearch<'waiting' | 'dead'>): Promise<Decided>
  accountDeliveries(window: AccountWindow): Promise<readonly DeliveryAccount[]>
}

/** What is decided on: before `until`, or what a decision makes would be found by the next one. */
export type DeliverySearch<S> = Omit<DeliveryFilter, 'id' | 'state'> & {
  readonly state: S
  readonly until: Date
}

export interface Decided {
  readonly n: number
  readonly isMore: boolean
}
