import { errorCode } from '../lib/error-code.ts'
import { type Clock, systemClock } from '../lib/time/clock.ts'
import { HangGuard } from '../lib/time/hang-guard.ts'
import { isMissing, Segment, type SegmentParts } from './segment.ts'
import { encodeFrame, type FrameCodec } from './segment-format.ts'
import { SetAside } from './set-aside.ts'
import { SpoolDirectory } from './spool-directory.ts'
import { type SpoolFiles, systemFiles } from './spool-files.ts'
import type { SpoolLog } from './spool-log.ts'
import { type Spooled, SpoolReader } from './spool-reader.ts'
import type { SpoolStats } from './spool-stats.ts'
import type { Owners } from './spool-owner.ts'

/** A segment is closed when it has this length; smaller where the bound of all is small, so that replay frees room in steps. */
const SEGMENT_BYTES = 8 * 1024 * 1024
const MIN_SEGMENTS = 8

/** Directories of others are looked at this often: for those of the dead, and for their lengths. */
const ADOPT_INTERVAL_MS = 30_000

/** Most bytes of frames that are held to be sent without being read back. */
const MAX_KEPT_BYTES = 16 * 1024 * 1024

const TIMEOUT_MS = 2000

/** Files begun for one batch, when names are taken or a directory is removed again and again, before it counts as refused. */
const MAX_BEGUN = 16

export interface SpoolOptions<Batch> {
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
  readonly codec: FrameCodec<Batch>
  readonly log: SpoolLog<Batch>
  readonly files?: SpoolFiles
  readonly clock?: Clock
  readonly owners?: Owners
  /**
   * Called with the instance whose folder is taken over because its owner does not live, and whether that had promised more than the
   * database may have heard; returns whether that is in the database. Must be quick, must not throw.
   */
  readonly onDead?: (instance: string, isUnheard: boolean) => boolean
}

/**
 * Batches on disk, from their append until they are settled, in segments: oldest first. Touches no file before the first append,
 * but for looking for segments of the dead. Appended means: in the page cache, and on the medium within `syncIntervalMs`.
 */
export class Spool<Batch> {
  readonly #options: SpoolOptions<Batch>
  readonly #files: SpoolFiles
  readonly #segmentParts: SegmentParts<Batch>
  readonly #clock: Clock
  readonly #directory: SpoolDirectory
  readonly #log: SpoolLog<Batch>
  readonly #segmentBytes: number
  readonly #guard: HangGuard
  readonly #reader: SpoolReader<Batch>
  readonly #aside: SetAside<Batch>
  readonly #counts = { batches: 0, writtenBytes: 0, refused: 0, damaged: 0, torn: 0, syncFailures: 0 }
  /** Those taken over first, then ours in order; only the last may be open. */
  #segments: Segment<Batch>[] = []
  /** In our directory, but they could not be opened: tried again. */
  #untaken: string[] = []
  #foreignBytes = 0
  #keptBytes = 0
  #lastErrorCode: string | null = null
  /** Changes of the list of segments run one after the other. */
  #turn: Promise<unknown> = Promise.resolve()
  #cancelSync: (() => void) | null = null
  #cancelAdopt: (() => void) | null = null
  #isClosed = false
  #onPending: () => void = () => {}

  constructor(options: SpoolOptions<Batch>) {
    this.#options = options
    this.#files = options.files ?? systemFiles
    this.#segmentParts = { files: this.#files, codec: options.codec }
    this.#clock = options.clock ?? systemClock
    this.#log = options.log
    this.#guard = new HangGuard(this.#clock, options.timeoutMs ?? TIMEOUT_MS)
    this.#reader = new SpoolReader({ clock: this.#clock, log: this.#log, counts: this.#counts })
    this.#aside = new SetAside(
      this.#clock,
      (batch) => options.codec.nameOf(batch),
      () => this.#onPending(),
    )
    this.#directory = new SpoolDirectory({ ...options, files: this.#files, clock: this.#clock })
    this.#segmentBytes = Math.min(SEGMENT_BYTES, Math.ceil(options.maxBytes / MIN_SEGMENTS))
  }

  /** Names the one listener: called when there is something to replay. Must be quick, must not throw. */
  onPending(listener: () => void): void {
    this.#onPending = listener
  }

  /** Looks for segments of dead processes, and tries again those set aside, now and every 30 s. Never rejects. */
  async start(): Promise<void> {
    await this.#inTurn(() => this.#adopt())
    this.#retryAside()
    this.#cancelAdopt?.()
    if (this.#isClosed) return
    this.#cancelAdopt = this.#clock.after(ADOPT_INTERVAL_MS, () => void this.start())
  }

  /** Whether batches wait for their replay, those set aside not counted. */
  get hasPending(): boolean {
    return this.#segments.some((segment) => !segment.isExhausted)
  }

  /**
   * Puts a batch at the end; `isKept`: it will be asked for soon, so it is held in memory too. Null when the disk, or the bound,
   * does not take it, or not within `timeoutMs`. Never rejects.
   */
  async append(batch: Batch, isKept = false): Promise<Spooled<Batch> | null> {
    try {
      const spilled = await this.#guard.run((isGivenUp) =>
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
   * The oldest batches that are neither settled nor set aside, from one segment, up to the limits but at least one; none when nothing
   * is pending. The same again until they are settled. What is damaged is counted, told and stepped over; a segment that cannot be
   * read is set aside. Never rejects for the sake of a file.
   */
  async oldest(limits: { readonly entries: number; readonly bytes: number }): Promise<Spooled<Batch>[]> {
    for (;;) {
      const segment = this.#segments.find((each) => !each.isExhausted)
      if (segment === undefined || this.#isClosed) return []
      try {
        const found = await this.#reader.read(segment, limits)
        if (found.length > 0 && this.#aside.removeSegment(segment))
          this.#log.readAgain(segment.path, segment.entries)
        if (found.length > 0) return found
        if (segment.isSettled) await this.#inTurn(() => this.#tidy())
      } catch (error) {
        this.#setSegmentAside(segment, errorCode(error))
      }
    }
  }

  /**
   * Sets a batch aside, with the reason that the database gives: what is behind it is replayed first, and it is tried again later.
   * Returns how often it has been set aside; 0 when so many are that it must wait where it is.
   */
  setAside({ segment, frame }: Spooled<Batch>, code: string): number {
    const attempts = this.#aside.addBatch(segment, frame, code)
    if (attempts === 1) this.#log.batchAside(segment.path, frame, code)
    return attempts
  }

  /** How often a batch has been set aside. */
  timesAside({ segment, frame }: Spooled<Batch>): number {
    return this.#aside.attemptsOf(segment, frame)
  }

  /** Says that a batch is stored. A segment goes when all in it are. Returns whether it was not said before. */
  settle({ segment, frame }: Spooled<Batch>): boolean {
    if (!segment.settle(frame)) return false
    this.#aside.removeBatch(segment, frame)
    this.#keptBytes = Math.max(0, this.#keptBytes - frame.bytes)
    if (segment.isSettled) void this.#inTurn(() => this.#tidy())
    return true
  }

  /** A copy of the numbers at this moment. */
  get stats(): SpoolStats {
    let bytes = 0
    let pendingEntries = 0
    const segments = [...this.#segments, ...this.#aside.outSegments]
    for (const segment of segments) {
      // A file that is gone takes no room here: it is counted where it went.
      if (!segment.isGone) bytes += segment.bytes
      pendingEntries += segment.entries
    }
    return {
      ...this.#counts,
      segments: segments.length,
      bytes,
      foreignBytes: this.#foreignBytes,
      maxBytes: this.#options.maxBytes,
      pendingEntries,
      lastErrorCode: this.#lastErrorCode,
      aside: this.#aside.stats,
    }
  }

  /** To be called when nothing is pending and nothing is expected: removes the empty segments and the directory. */
  async rest(): Promise<void> {
    await this.#inTurn(async () => {
      if (
        this.hasPending ||
        this.#directory.isUnheard ||
        (this.#segments.length === 0 && !this.#directory.isInUse)
      )
        return
      const { segments, batches } = this.#aside.stats
      if (segments + batches + this.#untaken.length > 0) return
      for (const segment of this.#segments)
        await segment.endWriting().catch((error) => this.#syncFailed(error))
      await this.#tidy()
      await this.#directory.release()
      this.#log.emptied()
    })
  }

  /**
   * Leaves word on disk that there may be more to tell of us after a kill than the database has heard; `false` takes it back. Never
   * rejects.
   */
  async setUnheard(isUnheard: boolean): Promise<void> {
    await this.#inTurn(async () => {
      if (!this.#isClosed) await this.#directory.setUnheard(isUnheard)
    }).catch((error: unknown) => this.#failed('leave word', error))
    if (!isUnheard) await this.rest()
  }

  /** Syncs and closes; what is pending is left to the next process. Appends nothing afterwards. Never rejects. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#cancelAdopt?.()
    this.#aside.stop()
    await this.#inTurn(async () => {
      this.#cancelSync?.()
      this.#cancelSync = null
      for (const segment of this.#segments)
        await segment.endWriting().catch((error) => this.#syncFailed(error))
      await this.#tidy()
      for (const segment of [...this.#segments, ...this.#aside.outSegments]) await segment.close()
      await this.#directory.release()
    })
  }

  async #append(batch: Batch, isKept: boolean, isGivenUp: () => boolean): Promise<Spooled<Batch> | null> {
    if (isGivenUp()) return null
    const encoded = encodeFrame(this.#options.codec.encode(batch))
    const { bytes, maxBytes } = this.stats
    if (this.#isClosed || bytes + this.#foreignBytes + encoded.bytes > maxBytes) return null
    const wasEmpty = !this.hasPending
    const isHeld = isKept && this.#keptBytes < MAX_KEPT_BYTES
    let segment = await this.#openSegment()
    let frame = await segment.append(batch, encoded, isHeld)
    for (let begun = 0; !(await segment.isThere()) && begun < MAX_BEGUN; begun++) {
      // An heir may have taken the file over because it took us for dead. The frame may not be in what it reads: it counts as not written.
      segment.settle(frame)
      this.#log.gone(segment.path)
      segment = await this.#openSegment()
      frame = await segment.append(batch, encoded, isHeld)
    }
    if (isGivenUp()) {
      // The caller was told that the disk refused the batch, and keeps it. The frame is settled, so that it is read only after a kill.
      segment.settle(frame)
      this.#onPending()
      return null
    }
    if (isHeld) this.#keptBytes += frame.bytes
    this.#counts.batches++
    this.#counts.writtenBytes += frame.bytes
    this.#log.appended(frame, wasEmpty && !isKept)
    this.#cancelSync ??= this.#clock.after(this.#options.syncIntervalMs, () => {
      this.#cancelSync = null
      segment.sync().catch((error: unknown) => this.#syncFailed(error, segment))
    })
    this.#onPending()
    return { segment, frame }
  }

  async #openSegment(): Promise<Segment<Batch>> {
    const last = this.#segments.at(-1)
    if (last?.isOpen === true) {
      if (!last.isBroken && !last.isGone && last.bytes < this.#segmentBytes) return last
      // Not awaited: no batch waits for the medium.
      last.endWriting().catch((error: unknown) => this.#syncFailed(error))
    }
    const segment = await this.#createSegment()
    this.#segments.push(segment)
    this.#directory.sync().catch((error: unknown) => this.#syncFailed(error, segment))
    return segment
  }

  /** Where the name is taken, under the next; where the directory is gone, in a new one. */
  async #createSegment(): Promise<Segment<Batch>> {
    for (let begun = 1; ; begun++) {
      try {
        return await Segment.create(this.#segmentParts, await this.#directory.newSegmentPath())
      } catch (error) {
        const isTaken = errorCode(error) === 'EEXIST'
        if (begun === MAX_BEGUN || (!isTaken && !isMissing(error))) throw error
        if (!isTaken) this.#directory.forget()
      }
    }
  }

  #setSegmentAside(segment: Segment<Batch>, code: string): void {
    if (!this.#segments.includes(segment)) return
    this.#segments = this.#segments.filter((each) => each !== segment)
    this.#lastErrorCode = code
    if (segment.isOpen) segment.endWriting().catch((error: unknown) => this.#syncFailed(error))
    if (this.#aside.addSegment(segment, code)) this.#log.fileAside(segment.path, code, segment.entries)
  }

  #retryAside(): void {
    if (this.#isClosed) return
    const segments = this.#aside.takeSegments()
    this.#segments = [...segments, ...this.#segments]
    if (segments.length > 0) this.#onPending()
  }

  /** Removes the segments of which nothing is pending; the open one only when it has been given up, or at the end. */
  async #tidy(): Promise<void> {
    for (const segment of [...this.#segments, ...this.#aside.outSegments].filter((each) => each.isSettled)) {
      if (segment.isOpen) continue
      await segment.close()
      this.#segments = this.#segments.filter((each) => each !== segment)
      this.#aside.removeSegment(segment)
      if (segment.isGone) continue
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
      const { paths, left } = await this.#directory.adopt()
      const taken: Segment<Batch>[] = []
      const files = [...left]
      const tried = [...this.#untaken, ...paths]
      this.#untaken = []
      for (const path of tried) {
        try {
          taken.push(await Segment.adopt(this.#segmentParts, path))
        } catch (error) {
          if (isMissing(error)) continue
          this.#untaken.push(path)
          files.push({ path, code: errorCode(error) })
        }
      }
      for (const file of this.#aside.setFiles(files)) this.#log.fileAside(file.path, file.code)
      this.#segments = [...taken, ...this.#segments]
      this.#foreignBytes = await this.#directory.foreignBytes()
      // An empty one has nothing to wait for.
      await this.#tidy()
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

  /** After a failed sync the state of the file on the medium is not known: the next batch goes to another file. */
  #syncFailed(error: unknown, segment?: Segment<Batch>): void {
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
