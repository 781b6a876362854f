import type { Batch } from './batch.ts'
import { type Clock, systemClock } from './clock.ts'
import { Patience } from './patience.ts'
import { type Frame, type Reading, Segment } from './segment.ts'
import { encodeFrame } from './segment-format.ts'
import { SpillDirectory } from './spill-directory.ts'
import { errorCode, type SpillFiles, systemFiles } from './spill-files.ts'
import { SpillLog } from './spill-log.ts'
import type { Owners } from './spill-owner.ts'
import type { Logger } from './writer-log.ts'

/** A segment is closed when it has this length; smaller where the bound of all is small, so that replay frees room in steps. */
const SEGMENT_BYTES = 8 * 1024 * 1024
const MIN_SEGMENTS = 8

/** Directories of others are looked at this often: for those of the dead, and for their lengths. */
const ADOPT_INTERVAL_MS = 30_000

/** Most bytes of frames that are held to be sent without being read back. */
const MAX_KEPT_BYTES = 16 * 1024 * 1024

const TIMEOUT_MS = 2000

export interface SpillOptions {
  /** Shared by any number of processes. Made when it is first needed. */
  readonly directory: string
  /** UUID of this process life. */
  readonly instance: string
  /** Bound of all segments of all processes in the directory, as far as this process knows of them. */
  readonly maxBytes: number
  /** What was appended is on the medium after this long; a crash of the process alone loses nothing of it. */
  readonly syncIntervalMs: number
  /** An append that takes longer is given up, and the disk counts as full until it answers. 2000 when not given. */
  readonly timeoutMs?: number
  readonly logger: Logger
  readonly files?: SpillFiles
  readonly clock?: Clock
  readonly owners?: Owners
}

/** A batch on disk. */
export interface Spilled {
  readonly segment: Segment
  readonly frame: Frame
}

/** The spill's numbers. */
export interface SpillStats {
  readonly segments: number
  /** On disk in segments of ours and those taken over, frames already stored included. */
  readonly bytes: number
  /** In segments of other live processes, and in those put aside, as far as known. */
  readonly foreignBytes: number
  readonly maxBytes: number
  /** Rows that wait for their replay. */
  readonly pendingEntries: number
  /** Since the start: batches and bytes appended, batches refused by the disk or the bound. */
  readonly batches: number
  readonly writtenBytes: number
  readonly refused: number
  /** Since the start: damaged places met, batches that their writer had not finished, failed syncs. */
  readonly damaged: number
  readonly torn: number
  readonly syncFailures: number
  /** Of the last refusal or failure; null before the first. */
  readonly lastErrorCode: string | null
}

/**
 * Batches on disk, from their append until they are settled, in segments: oldest first. Touches no file before the first append,
 * but for looking for segments of the dead. Appended means: in the page cache, and on the medium within `syncIntervalMs`.
 */
export class Spill {
  readonly #options: SpillOptions
  readonly #files: SpillFiles
  readonly #clock: Clock
  readonly #directory: SpillDirectory
  readonly #log: SpillLog
  readonly #segmentBytes: number
  readonly #patience: Patience
  readonly #counts = { batches: 0, writtenBytes: 0, refused: 0, damaged: 0, torn: 0, syncFailures: 0 }
  /** Those taken over first, then ours in order; only the last may be open. */
  #segments: Segment[] = []
  #foreignBytes = 0
  #keptBytes = 0
  #lastErrorCode: string | null = null
  /** What changes the list of segments is done one at a time. */
  #turn: Promise<unknown> = Promise.resolve()
  #cancelSync: (() => void) | null = null
  #cancelAdopt: (() => void) | null = null
  #isClosed = false
  #onPending: () => void = () => {}

  constructor(options: SpillOptions) {
    this.#options = options
    this.#files = options.files ?? systemFiles
    this.#clock = options.clock ?? systemClock
    this.#log = new SpillLog(options.logger, this.#clock)
    this.#patience = new Patience(this.#clock, options.timeoutMs ?? TIMEOUT_MS)
    this.#directory = new SpillDirectory({ ...options, files: this.#files, clock: this.#clock })
    this.#segmentBytes = Math.min(SEGMENT_BYTES, Math.ceil(options.maxBytes / MIN_SEGMENTS))
  }

  /** Names the one listener: called when there is something to replay. Must be quick, must not throw. */
  onPending(listener: () => void): void {
    this.#onPending = listener
  }

  /** Looks for segments of dead processes, now and every 30 s. Never rejects. */
  async start(): Promise<void> {
    await this.#inTurn(() => this.#adopt())
    this.#cancelAdopt?.()
    if (this.#isClosed) return
    this.#cancelAdopt = this.#clock.after(ADOPT_INTERVAL_MS, () => void this.start())
  }

  /** Whether batches wait for their replay. */
  get hasPending(): boolean {
    return this.#segments.some((segment) => !segment.isSettled)
  }

  /**
   * Puts a batch at the end; `isKept`: it will be asked for soon, so it is held in memory too. Null when the disk, or the bound,
   * does not take it, or not within `timeoutMs`. Never rejects.
   */
  async append(batch: Batch, isKept = false): Promise<Spilled | null> {
    try {
      const spilled = await this.#patience.wait((isGivenUp) =>
        this.#inTurn(() => this.#append(batch, isKept, isGivenUp)),
      )
      if (spilled === null) this.#refused('bound')
      return spilled
    } catch (error) {
      this.#refused(errorCode(error))
      return null
    }
  }

  /**
   * The oldest batches that are not settled, from one segment, up to the limits but at least one; none when nothing is pending.
   * The same again until they are settled. What cannot be read is counted, told and stepped over.
   */
  async oldest(limits: { readonly entries: number; readonly bytes: number }): Promise<Spilled[]> {
    for (;;) {
      const segment = this.#segments[0]
      if (segment === undefined || this.#isClosed) return []
      const found = await this.#readFrom(segment, limits)
      if (found.length > 0 || segment.isOpen) return found
      await this.#inTurn(() => this.#tidy())
      if (this.#segments[0] === segment && segment.isSettled) return []
    }
  }

  /** Says that a batch is stored. A segment goes when all in it are. Returns whether it was not said before. */
  settle({ segment, frame }: Spilled): boolean {
    if (!segment.settle(frame)) return false
    this.#keptBytes = Math.max(0, this.#keptBytes - frame.bytes)
    if (segment.isSettled) void this.#inTurn(() => this.#tidy())
    return true
  }

  /** A copy of the numbers at this moment. */
  get stats(): SpillStats {
    let bytes = 0
    let pendingEntries = 0
    for (const segment of this.#segments) {
      bytes += segment.bytes
      pendingEntries += segment.entries
    }
    return {
      ...this.#counts,
      segments: this.#segments.length,
      bytes,
      foreignBytes: this.#foreignBytes,
      maxBytes: this.#options.maxBytes,
      pendingEntries,
      lastErrorCode: this.#lastErrorCode,
    }
  }

  /** To be called when nothing is pending and nothing is expected: removes what is left, so that the disk is not touched again. */
  async rest(): Promise<void> {
    await this.#inTurn(async () => {
      if (this.hasPending || (this.#segments.length === 0 && !this.#directory.isInUse)) return
      for (const segment of this.#segments)
        await segment.endWriting().catch((error) => this.#syncFailed(error))
      await this.#tidy()
      await this.#directory.release()
      this.#log.emptied()
    })
  }

  /** Syncs and closes; what is pending is left to the next process. Appends nothing afterwards. Never rejects. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#cancelAdopt?.()
    await this.#inTurn(async () => {
      this.#cancelSync?.()
      this.#cancelSync = null
      for (const segment of this.#segments)
        await segment.endWriting().catch((error) => this.#syncFailed(error))
      await this.#tidy()
      for (const segment of this.#segments) await segment.close()
      await this.#directory.release()
    })
  }

  async #append(batch: Batch, isKept: boolean, isGivenUp: () => boolean): Promise<Spilled | null> {
    if (isGivenUp()) return null
    const encoded = encodeFrame(batch)
    const { bytes, maxBytes } = this.stats
    if (this.#isClosed || bytes + this.#foreignBytes + encoded.bytes > maxBytes) return null
    const wasEmpty = !this.hasPending
    const segment = await this.#openSegment()
    const isHeld = isKept && this.#keptBytes < MAX_KEPT_BYTES
    const frame = await segment.append(batch, encoded, isHeld)
    if (isGivenUp()) {
      // Whoever gave it has it still, and brings it elsewhere: in the books it was never here. Read again only after a kill.
      segment.settle(frame)
      this.#onPending()
      return null
    }
    if (isHeld) this.#keptBytes += frame.bytes
    this.#counts.batches++
    this.#counts.writtenBytes += frame.bytes
    this.#log.appended({ batch: batch.number, entries: batch.entries }, wasEmpty && !isKept)
    this.#cancelSync ??= this.#clock.after(this.#options.syncIntervalMs, () => {
      this.#cancelSync = null
      segment.sync().catch((error: unknown) => this.#syncFailed(error, segment))
    })
    this.#onPending()
    return { segment, frame }
  }

  async #openSegment(): Promise<Segment> {
    const last = this.#segments.at(-1)
    if (last?.isOpen === true) {
      if (!last.isBroken && last.bytes < this.#segmentBytes) return last
      // Not waited for: no batch shall wait for the medium.
      last.endWriting().catch((error: unknown) => this.#syncFailed(error))
    }
    const segment = await Segment.create(this.#files, await this.#directory.newSegmentPath())
    this.#segments.push(segment)
    this.#directory.sync().catch((error: unknown) => this.#syncFailed(error, segment))
    return segment
  }

  async #readFrom(segment: Segment, limits: { entries: number; bytes: number }): Promise<Spilled[]> {
    const found: Spilled[] = []
    let entries = 0
    let bytes = 0
    for (let at = segment.cursor; ;) {
      const reading = await segment.read(at)
      if (reading.kind === 'end') return found
      if (reading.kind !== 'frame') {
        if (found.length === 0) this.#stepOver(segment, reading)
        if (found.length > 0) return found
        at = segment.cursor
        continue
      }
      const { frame } = reading
      entries += frame.batch.entries
      bytes += frame.bytes
      if (found.length > 0 && (entries > limits.entries || bytes > limits.bytes)) return found
      found.push({ segment, frame })
      at = frame.offset + frame.bytes
    }
  }

  #stepOver(segment: Segment, reading: Exclude<Reading, { kind: 'end' | 'frame' }>): void {
    this.#log.unread(segment.path, reading)
    this.#counts[reading.kind]++
    if (reading.kind === 'damaged') segment.isDamaged = true
    segment.settle(reading)
  }

  /** Removes the segments of which nothing is pending; the open one only when it has been given up, or at the end. */
  async #tidy(): Promise<void> {
    for (const segment of this.#segments.filter((each) => each.isSettled)) {
      if (segment.isOpen) continue
      await segment.close()
      this.#segments = this.#segments.filter((each) => each !== segment)
      try {
        if (segment.isDamaged) await this.#directory.putAside(segment.path)
        else await this.#directory.remove(segment.path)
      } catch (error) {
        this.#failed('remove', error, segment.path)
      }
      if (segment.isDamaged) this.#foreignBytes += segment.bytes
    }
  }

  async #adopt(): Promise<void> {
    if (this.#isClosed) return
    try {
      const paths = await this.#directory.adopt()
      const taken: Segment[] = []
      for (const path of paths) {
        try {
          taken.push(await Segment.adopt(this.#files, path))
        } catch (error) {
          this.#failed('take over', error, path)
        }
      }
      this.#segments = [...taken, ...this.#segments]
      this.#foreignBytes = await this.#directory.foreignBytes()
      if (taken.length === 0) return
      this.#log.adopted(
        taken.length,
        taken.reduce((sum, { entries }) => sum + entries, 0),
      )
      this.#onPending()
    } catch (error) {
      this.#failed('take over', error)
    }
  }

  #refused(code: string): void {
    this.#counts.refused++
    this.#lastErrorCode = code
    const { bytes, maxBytes } = this.stats
    this.#log.refused(code, { bytes: bytes + this.#foreignBytes, maxBytes })
  }

  /** What a failed sync leaves on the medium is not known: what comes next goes to another file. */
  #syncFailed(error: unknown, segment?: Segment): void {
    this.#counts.syncFailures++
    if (segment !== undefined) segment.isBroken = true
    this.#failed('sync', error, segment?.path)
  }

  #failed(what: string, error: unknown, path?: string): void {
    this.#lastErrorCode = errorCode(error)
    this.#log.failed(what, this.#lastErrorCode, path)
  }

  async #inTurn<T>(act: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(act)
    this.#turn = result.catch(() => {})
    return await result
  }
}
