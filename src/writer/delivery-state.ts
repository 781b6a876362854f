import assert from 'node:assert'
import type { FlushTrigger } from '../model/stats.ts'
import type { Batch, StoreResult } from './batch/batch.ts'
import type { BatchError } from './database/failure.ts'

/** The batch in hand, and what has happened to it so far. */
export interface InHand {
  /** As it was sealed; later without the rows that were cut out. */
  batch: Batch
  readonly trigger: FlushTrigger
  /** Its COPY under way. */
  call: Promise<StoreResult | BatchError> | null
  /** When it first failed; Infinity before. */
  failedSinceMs: number
  /** When it should be on disk at the latest; Infinity while nothing is wrong. */
  unsafeFromMs: number
  /** Its COPY took longer than the channel could bear. */
  isSlow: boolean
  /** Its last failure says nothing against the batch. */
  isFailureOfDatabase: boolean
  /** The disk has refused it. */
  isRefused: boolean
  /** It is stored or spilled, and the books begin to say so. */
  isSafe: boolean
}

/**
 * What a delivery does at present.
 *
 *   resting ──deliver()──► taken ──► copying ──stored──► resting
 *                                    │  ▲ ▲
 *                             failed ▼  │ └──a row was cut out, a partition was made
 *                               repairing
 *            nothing can be repaired ▼  │
 *                             backing_off   ──the wait is over, or the database is back──► copying
 *
 *   taken, copying, repairing, backing_off ──see Delivery──► spilling ──the disk took it──► resting
 *                                                                └──the disk refused it──► copying, backing_off, or once
 *                                                                   more: a journal's batch that is overdue
 *
 * resting      Nothing is in hand: at the start, and when a batch is safe. Also when an unforeseen error ends `deliver`: the
 *              caller still has the batch, and delivers it again. No wait runs.
 * taken        A batch is in hand and nothing was tried yet.
 * copying      Its COPY is under way. With a spill, a timer looks at the channel meanwhile.
 * repairing    Its COPY failed; its cause is looked for, and removed if that can be done.
 * backing_off  It waits for `retryAtMs`. With a spill, a timer looks at the channel meanwhile.
 * spilling     It is being written to disk. Its COPY may be under way still.
 * stopped      The writer has accounted for all that was in hand. What ends afterwards changes nothing in the books.
 */
export type DeliveryState =
  | { readonly mode: 'resting'; readonly hand: null }
  | { readonly mode: 'taken' | 'copying' | 'repairing' | 'spilling'; readonly hand: InHand }
  | { readonly mode: 'backing_off'; readonly hand: InHand; readonly retryAtMs: number }
  | { readonly mode: 'stopped'; readonly hand: null }

/** Any but `stopped`. */
export type LiveState = Exclude<DeliveryState, { readonly mode: 'stopped' }>
type Mode = DeliveryState['mode']

/** Where each mode is entered from. `stopped` comes from any, and is left by none. */
const ENTERED_FROM: Readonly<Record<LiveState['mode'], readonly Mode[]>> = {
  taken: ['resting'],
  copying: ['taken', 'copying', 'repairing', 'backing_off', 'spilling'],
  repairing: ['copying'],
  backing_off: ['repairing', 'spilling'],
  spilling: ['taken', 'copying', 'repairing', 'backing_off', 'spilling'],
  resting: ['taken', 'copying', 'repairing', 'backing_off', 'spilling'],
}

/** Throws when a delivery does not go from the one mode to the other. */
export function assertEnters(from: Mode, to: LiveState['mode']): void {
  assert(ENTERED_FROM[to].includes(from), `a delivery goes from ${from} to ${to}`)
}

/** The batch should be on disk by then. The earliest time counts: a further attempt does not put it off. */
export function unsafeFrom(hand: InHand, ms: number): void {
  hand.unsafeFromMs = Math.min(hand.unsafeFromMs, ms)
}
