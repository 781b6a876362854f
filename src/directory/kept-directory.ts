import { errorCode } from '../lib/error-code.ts'
import { type Clock, systemClock } from '../lib/time/clock.ts'
import { within } from '../lib/time/within.ts'
import type { DirectoryKeeper, RecalledSnapshot, SnapshotAsOf } from './directory-keeper.ts'
import { refused } from './kept-files.ts'
import { type KeptContact, type KeptHeader, takenAway } from './kept-format.ts'
import { readContact, readHeader, readKept } from './kept-reader.ts'
import { KeptFolder } from './kept-writer.ts'
import type { DirectoryLog } from './refresher-options.ts'
import type { DirectorySnapshot } from './snapshot.ts'

/** How often it is written down that an unchanged snapshot is still true. */
const CONTACT_INTERVAL_MS = 10_000
/** Snapshots are at least so far apart, and … */
const MIN_GAP_MS = 1000
/** … take at most one part in so many of the time. */
const GAP_PER_WRITE = 20
/** What a change waits at most for its note. */
const NOTE_TIMEOUT_MS = 250
const STOP_TIMEOUT_MS = 2000
/** A contact may be so far in the future: clocks that differ a little. */
const FUTURE_MS = 5000

export interface KeptDirectoryParts {
  readonly folder: string
  /** Names the database of the configuration; a snapshot of another is not used. */
  readonly target: string
  /** This start of the gateway, shared by its workers. */
  readonly run: string
  /** This process. */
  readonly instance: string
  /** Whether this process writes snapshots; one of a gateway's does. All note what is taken away. */
  readonly isWriter: boolean
  readonly maxAgeMs: number
  readonly log: DirectoryLog
  /** This machine's clock minus the database's; null when it is not known. */
  readonly clockOffsetMs: () => number | null
  /** This machine's clock has to be taken for so much behind the database's, until the database tells. */
  readonly onBehind?: (ms: number) => void
  /** This machine's clock, epoch milliseconds; `Date.now` unless told. */
  readonly wall?: () => number
  /** The real one unless told. */
  readonly clock?: Clock
}

/**
 * Keeps the directory's snapshot on disk, for a start while the database is away. One process of a folder writes, off the request
 * path; what takes rights away is noted by every process before it acts on it, so that nothing comes back that this folder's
 * gateway knew to be revoked, wherever it was killed. What cannot be noted ends the snapshot.
 */
export class KeptDirectory implements DirectoryKeeper {
  readonly #parts: KeptDirectoryParts
  readonly #folder: KeptFolder
  readonly #clock: Clock
  #present: SnapshotAsOf | null = null
  /** What is on disk; null before the first, and when it had to be removed. */
  #kept: { readonly header: KeptHeader; readonly snapshot: DirectorySnapshot } | null = null
  /** When what was noted was set apart; null when nothing is. */
  #apartTick: number | null
  #contactTick = -Infinity
  #nextWriteTick = -Infinity
  /** One thing at a time is written. */
  #writing: Promise<void> | null = null
  #cancelTimer: (() => void) | null = null
  #noting: Promise<void> | null = null
  #owesRemoval = false
  /** The last contact of another writer that was seen. */
  #otherContact = ''
  #isStopped = false
  #failure = ''
  #failures = 0

  constructor(parts: KeptDirectoryParts) {
    this.#parts = parts
    this.#folder = new KeptFolder(parts.folder)
    this.#clock = parts.clock ?? systemClock
    // By an earlier process, perhaps: the first look tells.
    this.#apartTick = this.#clock.nowMs()
  }

  get failures(): number {
    return this.#failures
  }

  async recall(): Promise<RecalledSnapshot | null> {
    try {
      const { header, contact, snapshot } = await readKept(this.#parts.folder)
      if (header.target !== this.#parts.target) throw refused('foreign', this.#parts.folder)
      const { ageMs, behindMs } = this.#ageOf(contact ?? header)
      if (ageMs > this.#parts.maxAgeMs) throw refused('too_old', this.#parts.folder)
      this.#parts.onBehind?.(behindMs)
      return { snapshot, origin: header.origin, ageMs, maxAgeMs: this.#parts.maxAgeMs }
    } catch (error) {
      const code = error instanceof SyntaxError ? 'corrupt' : errorCode(error)
      const fields = { code, folder: this.#parts.folder }
      if (code === 'ENOENT') this.#parts.log.debug(fields, 'directory: no snapshot on disk')
      else this.#parts.log.warn(fields, 'directory: the snapshot on disk is not used')
      return null
    }
  }

  /**
   * The later of what this machine's clock says and what it says if it is behind the database's as it was then: neither
   * reading makes a snapshot younger, or a key live longer, than it is.
   */
  #ageOf({ contactAtMs, clockOffsetMs }: Pick<KeptContact, 'contactAtMs' | 'clockOffsetMs'>): {
    ageMs: number
    behindMs: number
  } {
    const behindMs = Math.max(0, -(clockOffsetMs ?? 0))
    const ageMs = (this.#parts.wall ?? Date.now)() + behindMs - contactAtMs
    if (ageMs < -FUTURE_MS) throw refused('future', this.#parts.folder)
    return { ageMs: Math.max(0, ageMs), behindMs: behindMs + Math.max(0, -ageMs) }
  }

  async note(base: DirectorySnapshot | null, next: DirectorySnapshot): Promise<void> {
    // One that hangs must not gather others behind it: the snapshot ends with it instead.
    if (this.#noting !== null) {
      this.#owesRemoval = true
      return
    }
    this.#noting = this.#note(base, next).finally(() => {
      this.#noting = null
    })
    const bounds = { what: 'the note of what was taken away', ms: NOTE_TIMEOUT_MS, clock: this.#clock }
    await within(this.#noting, bounds).catch((error: unknown) => this.#fail(error))
  }

  async #note(base: DirectorySnapshot | null, next: DirectorySnapshot): Promise<void> {
    try {
      if (base === null) await this.#endEarlierRun()
      else {
        const taken = await takenAway(base, next)
        if (taken.length > 0) await this.#folder.append(taken)
      }
    } catch (error) {
      this.#owesRemoval = true
      this.#fail(error)
    }
    if (this.#owesRemoval) await this.#remove()
  }

  /** What was taken away between the last run and this one's first load was noted by nobody. */
  async #endEarlierRun(): Promise<void> {
    const header = await readHeader(this.#parts.folder)
    if (header !== null && header.run !== this.#parts.run) await this.#folder.remove()
  }

  async #remove(): Promise<void> {
    this.#owesRemoval = false
    this.#kept = null
    try {
      await this.#folder.remove()
    } catch (error) {
      this.#owesRemoval = true
      this.#fail(error)
    }
  }

  applied(present: SnapshotAsOf): void {
    this.#present = present
    if (!this.#parts.isWriter || this.#isStopped || this.#writing !== null || this.#cancelTimer !== null)
      return
    const tick = this.#clock.nowMs()
    const isNew = this.#kept?.snapshot !== present.snapshot || this.#kept.header.origin !== present.origin
    const isDue = isNew || tick >= this.#contactTick + CONTACT_INTERVAL_MS
    if (!isDue) return
    const waitMs = isNew ? this.#nextWriteTick - tick : 0
    if (waitMs <= 0) this.#begin()
    else
      this.#cancelTimer = this.#clock.after(waitMs, () => {
        this.#cancelTimer = null
        this.#begin()
      })
  }

  #begin(): void {
    if (this.#isStopped) return
    this.#writing = this.#write().finally(() => {
      this.#writing = null
    })
  }

  async #write(): Promise<void> {
    const present = this.#present
    if (present === null) return
    const beganTick = this.#clock.nowMs()
    try {
      if (await this.#isSomebodyElseWriting()) {
        this.#contactTick = this.#nextWriteTick = beganTick + CONTACT_INTERVAL_MS
        return
      }
      const { run, target } = this.#parts
      const about = { run, target, origin: present.origin, clockOffsetMs: this.#parts.clockOffsetMs() }
      const { contactAtMs } = present
      const kept = this.#kept
      const isThere = kept !== null && (await readHeader(this.#parts.folder))?.id === kept.header.id
      if (!isThere || kept.snapshot !== present.snapshot || kept.header.origin !== present.origin) {
        const header = await this.#folder.write(present.snapshot, { ...about, contactAtMs })
        this.#kept = { header, snapshot: present.snapshot }
      } else await this.#thinChanges(present.contactTick)
      await this.#tellContact(this.#parts.instance)
      this.#failure = ''
    } catch (error) {
      this.#fail(error)
    }
    const endTick = this.#clock.nowMs()
    this.#contactTick = endTick
    this.#nextWriteTick = endTick + Math.max(MIN_GAP_MS, GAP_PER_WRITE * (endTick - beganTick))
  }

  /**
   * Forgets what was noted and the snapshot on disk is known to hold: it is what a look at the database gave that began after the
   * notes had been set apart, and each of them told what was committed before it.
   */
  async #thinChanges(contactTick: number): Promise<void> {
    if (this.#apartTick !== null) {
      if (contactTick <= this.#apartTick) return
      await this.#folder.forgetChangesApart()
      this.#apartTick = null
    }
    if (await this.#folder.setChangesApart()) this.#apartTick = this.#clock.nowMs()
  }

  async #tellContact(writer: string): Promise<void> {
    const kept = this.#kept
    if (kept === null || this.#present === null) return
    const isSame = this.#present.snapshot === kept.snapshot && this.#present.origin === kept.header.origin
    const contactAtMs = isSame ? this.#present.contactAtMs : kept.header.contactAtMs
    const clockOffsetMs = this.#parts.clockOffsetMs()
    await this.#folder.writeContact({ id: kept.header.id, writer, contactAtMs, clockOffsetMs })
  }

  /** Another process that lives renews its contact between two looks of ours. */
  async #isSomebodyElseWriting(): Promise<boolean> {
    const contact = await readContact(this.#parts.folder)
    if (contact === null || contact.writer === '' || contact.writer === this.#parts.instance) return false
    const seen = `${contact.writer} ${contact.contactAtMs}`
    const isSeen = seen === this.#otherContact
    this.#otherContact = seen
    return !isSeen
  }

  /** Resolves when nothing is being written. */
  async written(): Promise<void> {
    await this.#writing
  }

  async stop(): Promise<void> {
    if (this.#isStopped) return
    this.#cancelTimer?.()
    this.#cancelTimer = null
    const end = async (): Promise<void> => {
      await this.written()
      if (this.#kept === null) return
      if (this.#present !== null && this.#kept.snapshot !== this.#present.snapshot) await this.#write()
      await this.#tellContact('')
    }
    const bounds = { what: 'the last snapshot', ms: STOP_TIMEOUT_MS, clock: this.#clock }
    await within(end(), bounds).catch((error: unknown) => this.#fail(error))
    this.#isStopped = true
  }

  #fail(error: unknown): void {
    this.#failures++
    const code = errorCode(error)
    // Told when it begins, and again when the reason is another one.
    if (code !== this.#failure)
      this.#parts.log.warn({ code, folder: this.#parts.folder }, 'directory: not kept on disk')
    this.#failure = code
  }
}
