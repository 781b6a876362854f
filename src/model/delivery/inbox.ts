import type { Parcel } from './parcel.ts'

/** What became of what was given to be kept. */
export type Kept =
  /** It is durable: in PostgreSQL, or on disk. `id` is that of the first of its kind where it is a duplicate. */
  | { readonly kind: 'kept'; readonly id: string; readonly isDuplicate: boolean }
  /** The tenant has as many waiting as it may; nothing can be made durable; the gateway stops. */
  | { readonly kind: 'full' | 'unavailable' }

/** The data plane's end of what keeps deliveries. */
export interface Inbox {
  /** Resolves when the parcel is durable, or when `patienceMs` are over. Never rejects. */
  accept(parcel: Parcel, patienceMs: number): Promise<Kept>
}
