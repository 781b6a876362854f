import { errorCode } from '../lib/error-code.ts'
import type { Clock } from '../lib/time/clock.ts'
import { Periodic } from '../lib/time/periodic.ts'
import { sleep } from '../lib/time/sleep.ts'
import { endsWithin } from '../lib/time/within.ts'
import type { BodyKey } from '../model/delivery/body-key.ts'
import type { Inbox, Kept } from '../model/delivery/inbox.ts'
import type { Parcel } from '../model/delivery/parcel.ts'
import type { Spool } from '../spool/spool.ts'
import type { DeliveryStore, Stored, StoredParcel } from './delivery-store.ts'
import { packBody } from './pack-body.ts'

/** What one transaction takes at most. */
const MAX_BATCH = { parcels: 256, bytes: 4 * 1024 * 1024 }
/** A statement that is not answered by then is taken for lost: what it was to store goes to disk as well, and is stored once all the same. */
const ANSWER_MS = 1500
/** What waits behind the disk's replay for so long goes to disk too. */
const BEHIND_MS = 500
/** With the database away it is tried so often. */
const REPLAY_MS = 500
/** While a tenant is full, or nothing can be kept, it is looked at again so often. */
const AGAIN_MS = 200

/** SQLSTATE classes of what is wrong with the data (PostgreSQL manual, appendix A). */
const DATA_ERROR = /^(?:22|23)/

interface Pending {
  readonly stored: StoredParcel
  readonly sinceMs: number
  readonly untilMs: number
  readonly resolve: (kept: Kept) => void
}

export interface PostInboxParts {
  readonly store: Pick<DeliveryStore, 'keep'>
  readonly spool: Spool<readonly StoredParcel[]>
  readonly clock: Clock
  /** The first encrypts. */
  readonly keys: readonly BodyKey[]
  /** Whether the tenant has as many waiting as it may. */
  readonly isFull: (tenant: string) => boolean
  /** Called when deliveries of routes became visible in the database. Must be quick, must not throw. */
  readonly onStored: (parcels: readonly StoredParcel[]) => void
  /** The database did not take parcels that another time it may. */
  readonly onFailure: (error: unknown) => void
}

/** Counts since the start. */
export interface InboxCounts {
  accepted: number
  duplicates: number
  refused: number
}

/**
 * Makes deliveries durable, many in one transaction: in PostgreSQL, or on disk while that is away, from where they are stored as soon as it is
 * back. A parcel is given to the database under one id however often that takes, so that it is there once.
 *
 *   pending ──keep──► stored                   answered 202
 *      └──no answer──► on disk, synced ──keep──► stored     answered 202 once it is synced
 *      └──neither, until the sender's patience ends──► answered 503
 *
 * While anything is on disk, what comes goes there too: what came first is stored first.
 */
export class PostInbox implements Inbox {
  readonly counts: InboxCounts = { accepted: 0, duplicates: 0, refused: 0 }
  readonly #parts: PostInboxParts
  readonly #replays: Periodic
  #pending: Pending[] = []
  #isFlushing = false
  #isAway = false
  #isClosed = false

  constructor(parts: PostInboxParts) {
    this.#parts = parts
    this.#replays = new Periodic({
      run: () => this.#replay(),
      intervalMs: REPLAY_MS,
      pace: 'rest',
      clock: parts.clock,
      onFailure: ({ error }) => {
        this.#isAway = true
        parts.onFailure(error)
      },
    })
    parts.spool.onPending(() => this.#replays.kick())
  }

  /** Takes over what an earlier life, or a dead process of the same folder, left on disk. */
  start(): void {
    void this.#parts.spool.start()
    this.#replays.start()
  }

  /** Takes no more; what is pending is kept or refused within `ms`. What is on disk stays there. */
  async stop(ms: number): Promise<void> {
    this.#isClosed = true
    await this.#replays.stop(ms)
    for (const { resolve } of this.#pending) resolve({ kind: 'unavailable' })
    this.#pending = []
    await this.#parts.spool.close()
  }

  /** See Inbox. */
  async accept(parcel: Parcel, patienceMs: number): Promise<Kept> {
    const { clock, keys, isFull } = this.#parts
    const { body, ...rest } = parcel
    const sinceMs = clock.nowMs()
    const untilMs = sinceMs + patienceMs
    while (isFull(parcel.tenant)) {
      if (this.#isClosed || clock.nowMs() + AGAIN_MS > untilMs) return this.#refuse('full')
      await this.#pause()
    }
    const packed = await packBody(body, keys)
    if (this.#isClosed) return this.#refuse('unavailable')
    const stored: StoredParcel = { ...rest, packed, bodyBytes: body.length, isPromised: false }
    return await new Promise<Kept>((resolve) => {
      this.#pending.push({ stored, sinceMs, untilMs, resolve })
      this.#flushSoon()
    })
  }

  #refuse(kind: 'full' | 'unavailable'): Kept {
    this.counts.refused++
    return { kind }
  }

  #pause(): Promise<void> {
    return sleep(AGAIN_MS, { clock: this.#parts.clock, isBackground: true })
  }

  #flushSoon(): void {
    if (this.#isFlushing) return
    this.#isFlushing = true
    // What comes in the same turn goes into the same transaction.
    queueMicrotask(() => void this.#flush())
  }

  async #flush(): Promise<void> {
    try {
      while (this.#pending.length > 0 && !this.#isClosed) await this.#flushOnce()
    } finally {
      this.#isFlushing = false
    }
  }

  async #flushOnce(): Promise<void> {
    const batch = this.#take()
    const isBehind = this.#parts.spool.hasPending
    const oldestMs = this.#parts.clock.nowMs() - (batch[0]?.sinceMs ?? 0)
    if (isBehind && !this.#isAway && oldestMs < BEHIND_MS) {
      this.#pending = [...batch, ...this.#pending]
      await this.#pause()
      return
    }
    const stored = isBehind || this.#isAway ? null : await this.#keep(batch.map((each) => each.stored))
    if (stored !== null) {
      this.#answer(batch, stored)
      return
    }
    if (await this.#spool(batch)) return
    const nowMs = this.#parts.clock.nowMs()
    const kept = batch.filter(({ untilMs }) => nowMs + AGAIN_MS <= untilMs)
    for (const each of batch) if (!kept.includes(each)) each.resolve(this.#refuse('unavailable'))
    this.#pending = [...kept, ...this.#pending]
    if (kept.length === 0) return
    await this.#pause()
    // The disk is full, perhaps, and the database back.
    if (!isBehind) this.#isAway = false
  }

  #take(): Pending[] {
    let bytes = 0
    let count = 0
    for (const { stored } of this.#pending) {
      bytes += stored.packed.bytes.length
      if (count > 0 && (count >= MAX_BATCH.parcels || bytes > MAX_BATCH.bytes)) break
      count++
    }
    return this.#pending.splice(0, count)
  }

  /** Null when it cannot be known that they are stored. */
  async #keep(parcels: readonly StoredParcel[]): Promise<Stored | null> {
    const { store, clock, onFailure, onStored } = this.#parts
    const kept: { stored: Stored | null } = { stored: null }
    const asked = store.keep(parcels).then(
      (stored) => {
        kept.stored = stored
        onStored(parcels)
      },
      (error: unknown) => onFailure(error),
    )
    await endsWithin(asked, ANSWER_MS, clock)
    if (kept.stored === null) this.#isAway = true
    return kept.stored
  }

  #answer(batch: readonly Pending[], stored: Stored): void {
    for (const { stored: parcel, resolve } of batch) {
      const first = stored.get(parcel.id)
      if (first === undefined) {
        resolve(this.#refuse('unavailable'))
        continue
      }
      if (first === null) this.counts.accepted++
      else this.counts.duplicates++
      resolve({ kind: 'kept', id: first ?? parcel.id, isDuplicate: first !== null })
    }
  }

  /** Forces them onto the disk; false when that does not take them. */
  async #spool(batch: readonly Pending[]): Promise<boolean> {
    const parcels = batch.map(({ stored }) => Object.assign({}, stored, { isPromised: true }))
    const spooled = await this.#parts.spool.append(parcels)
    if (spooled === null) return false
    try {
      await spooled.segment.sync()
    } catch (error) {
      this.#parts.onFailure(error)
      return false
    }
    this.counts.accepted += batch.length
    for (const { stored, resolve } of batch) resolve({ kind: 'kept', id: stored.id, isDuplicate: false })
    return true
  }

  /** Stores what is on disk, oldest first. */
  async #replay(): Promise<void> {
    const { spool, store, onStored } = this.#parts
    while (spool.hasPending && !this.#isClosed) {
      const [oldest] = await spool.oldest({ entries: MAX_BATCH.parcels, bytes: MAX_BATCH.bytes })
      if (oldest === undefined) return
      try {
        await store.keep(oldest.frame.batch)
      } catch (error) {
        // The database is there and will never take these: they stay on disk, and hold up nothing.
        if (!DATA_ERROR.test(errorCode(error)) || spool.setAside(oldest, errorCode(error)) === 0) throw error
        continue
      }
      this.#isAway = false
      spool.settle(oldest)
      onStored(oldest.frame.batch)
    }
    this.#isAway = false
    await spool.rest()
  }
}
