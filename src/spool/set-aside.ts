import type { Clock } from '../lib/time/clock.ts'
import type { Extent, Frame, Segment } from './segment.ts'

/** A batch that was set aside is tried again after this long, then twice as long, up to the maximum. */
const RETRY_MIN_MS = 30_000
const RETRY_MAX_MS = 600_000

/** Batches set aside at once. When more fail, it is hardly the batches that are wrong, and memory is bounded. */
const MAX_BATCHES = 1024

/** Things named in the stats; the figures count all. */
const MAX_NAMED = 20

/** Something on disk that cannot be stored for now. */
export interface AsideItem {
  /** `segment`: cannot be read; `batch`: PostgreSQL fails with it, and takes others; `file`: cannot be taken over. */
  readonly what: 'segment' | 'batch' | 'file'
  /** Path, with the batch's name. */
  readonly name: string
  /** Of the system, or SQLSTATE. */
  readonly code: string
  /** As far as known. */
  readonly entries: number
  readonly sinceMs: number
}

/** What is set aside at this moment. */
export interface AsideStats {
  readonly segments: number
  readonly batches: number
  readonly files: number
  /** Rows in them, as far as known. */
  readonly entries: number
  readonly named: readonly AsideItem[]
}

interface Note {
  code: string
  readonly sinceMs: number
  attempts: number
  retryAtMs: number
  /** Not when it is being tried again. */
  isOut: boolean
}

interface BatchNote<Batch> extends Note {
  readonly segment: Segment<Batch>
  readonly extent: Extent
  readonly name: string
  readonly entries: number
}

/**
 * Keeps a list of what cannot be stored for now, so that the rest can be: segments that cannot be read, batches that fail again and
 * again while others are stored, files of dead processes that cannot be taken over. Each stays on disk, and is tried again later.
 */
export class SetAside<Batch> {
  readonly #clock: Clock
  readonly #nameOf: (batch: Batch) => string
  readonly #onDue: () => void
  readonly #segments = new Map<Segment<Batch>, Note>()
  readonly #batches = new Map<string, BatchNote<Batch>>()
  #files = new Map<string, Note>()
  #cancelRetry = (): void => {}
  #isStopped = false

  /** `nameOf`: see FrameCodec. `onDue` is called when batches are put back, to be tried again. */
  constructor(clock: Clock, nameOf: (batch: Batch) => string, onDue: () => void) {
    this.#clock = clock
    this.#nameOf = nameOf
    this.#onDue = onDue
  }

  /** Returns whether it was not aside before. */
  addSegment(segment: Segment<Batch>, code: string): boolean {
    const known = this.#segments.get(segment)
    this.#segments.set(segment, this.#noteOf(known, code))
    return known === undefined
  }

  /** Something of it was read, or all of it is done with. Returns whether it was aside. */
  removeSegment(segment: Segment<Batch>): boolean {
    return this.#segments.delete(segment)
  }

  /** Those that are aside, to be tried again. */
  takeSegments(): Segment<Batch>[] {
    const due = [...this.#segments].filter(([, { isOut }]) => isOut)
    for (const [, note] of due) note.isOut = false
    return due.map(([segment]) => segment)
  }

  /** Those that are not being tried again. */
  get outSegments(): Segment<Batch>[] {
    return [...this.#segments].filter(([, { isOut }]) => isOut).map(([segment]) => segment)
  }

  /** Returns how often it has failed so far; 0 when there is no room for it. */
  addBatch(segment: Segment<Batch>, frame: Frame<Batch>, code: string): number {
    const key = keyOf(segment, frame)
    const known = this.#batches.get(key)
    if (known === undefined && this.#batches.size >= MAX_BATCHES) return 0
    const note = this.#noteOf(known, code)
    const { offset, bytes, entries, batch } = frame
    const name = this.#nameOf(batch)
    this.#batches.set(key, { ...note, segment, extent: { offset, bytes }, name, entries })
    segment.defer(frame)
    this.#retryNext()
    return note.attempts
  }

  /** How often a batch was set aside. */
  attemptsOf(segment: Segment<Batch>, frame: Frame<Batch>): number {
    return this.#batches.get(keyOf(segment, frame))?.attempts ?? 0
  }

  removeBatch(segment: Segment<Batch>, frame: Frame<Batch>): void {
    if (this.#batches.size > 0) this.#batches.delete(keyOf(segment, frame))
  }

  /** No batch is tried again from now on. */
  stop(): void {
    this.#isStopped = true
    this.#cancelRetry()
  }

  /** Files as they were found just now. Returns those that are new. */
  setFiles(files: readonly { path: string; code: string }[]): { path: string; code: string }[] {
    const before = this.#files
    this.#files = new Map(files.map(({ path, code }) => [path, this.#noteOf(before.get(path), code)]))
    return files.filter(({ path }) => !before.has(path))
  }

  get stats(): AsideStats {
    let entries = 0
    const items: AsideItem[] = []
    for (const [segment, { code, sinceMs }] of this.#segments) {
      entries += segment.entries
      items.push({ what: 'segment', name: segment.path, code, entries: segment.entries, sinceMs })
    }
    for (const { segment, name, code, entries: rows, sinceMs } of this.#batches.values()) {
      if (!this.#segments.has(segment)) entries += rows
      if (items.length >= MAX_NAMED) continue
      items.push({ what: 'batch', name: `${segment.path}, ${name}`, code, entries: rows, sinceMs })
    }
    for (const [path, { code, sinceMs }] of this.#files) {
      items.push({ what: 'file', name: path, code, entries: 0, sinceMs })
    }
    return {
      segments: this.#segments.size,
      batches: this.#batches.size,
      files: this.#files.size,
      entries,
      named: items.slice(0, MAX_NAMED),
    }
  }

  /** Each batch has its own time: one look at all every half minute would find it up to twice as late. */
  #retryNext(): void {
    this.#cancelRetry()
    let nextMs = Infinity
    for (const { isOut, retryAtMs } of this.#batches.values()) if (isOut) nextMs = Math.min(nextMs, retryAtMs)
    if (this.#isStopped || nextMs === Infinity) return
    const waitMs = Math.max(0, nextMs - this.#clock.nowMs())
    this.#cancelRetry = this.#clock.later(waitMs, () => {
      this.#recallDue()
      this.#retryNext()
    })
  }

  #recallDue(): void {
    const nowMs = this.#clock.nowMs()
    const due = [...this.#batches.values()].filter(({ isOut, retryAtMs }) => isOut && retryAtMs <= nowMs)
    for (const note of due) {
      note.isOut = false
      note.segment.recall(note.extent)
    }
    if (due.length > 0) this.#onDue()
  }

  #noteOf(known: Note | undefined, code: string): Note {
    const nowMs = this.#clock.nowMs()
    const attempts = (known?.attempts ?? 0) + 1
    const waitMs = Math.min(RETRY_MAX_MS, RETRY_MIN_MS * 2 ** Math.min(attempts - 1, 10))
    return { code, sinceMs: known?.sinceMs ?? nowMs, attempts, retryAtMs: nowMs + waitMs, isOut: true }
  }
}

function keyOf({ path }: { readonly path: string }, { offset }: Pick<Extent, 'offset'>): string {
  return `${path} ${offset}`
}
