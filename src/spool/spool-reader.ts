import type { Clock } from '../lib/time/clock.ts'
import { HangGuard } from '../lib/time/hang-guard.ts'
import type { Frame, Segment, Unreadable } from './segment.ts'
import type { SpoolLog } from './spool-log.ts'

/** A read that takes longer is given up: a file system that hangs must not hold up the segments behind. */
const READ_TIMEOUT_MS = 10_000

/** A batch on disk. */
export interface Spooled<Batch> {
  readonly segment: Segment<Batch>
  readonly frame: Frame<Batch>
}

/** Reads what waits in segments; counts, tells and steps over what is damaged. */
export class SpoolReader<Batch> {
  readonly #clock: Clock
  readonly #log: SpoolLog<Batch>
  readonly #counts: { damaged: number; torn: number }
  /** Of each segment by itself: one that hangs blames no other. */
  readonly #guards = new WeakMap<Segment<Batch>, HangGuard>()

  constructor(parts: {
    readonly clock: Clock
    readonly log: SpoolLog<Batch>
    readonly counts: { damaged: number; torn: number }
  }) {
    this.#clock = parts.clock
    this.#log = parts.log
    this.#counts = parts.counts
  }

  /**
   * The first batches of the segment that are neither settled nor set aside, up to the limits but at least one; none when there is
   * none. Rejects with the system's error, with `timeout`, or with what is said of the file (see Segment).
   */
  async read(segment: Segment<Batch>, limits: { entries: number; bytes: number }): Promise<Spooled<Batch>[]> {
    let guard = this.#guards.get(segment)
    if (guard === undefined) {
      guard = new HangGuard(this.#clock, READ_TIMEOUT_MS)
      this.#guards.set(segment, guard)
    }
    return await guard.run((isGivenUp) => this.#read(segment, limits, isGivenUp))
  }

  async #read(
    segment: Segment<Batch>,
    limits: { entries: number; bytes: number },
    isGivenUp: () => boolean,
  ): Promise<Spooled<Batch>[]> {
    const found: Spooled<Batch>[] = []
    let entries = 0
    let bytes = 0
    for (let at = segment.cursor; ;) {
      const reading = await segment.read(at)
      if (reading.kind === 'end' || isGivenUp()) return found
      if (reading.kind !== 'frame') {
        if (found.length > 0) return found
        this.#stepOver(segment, reading)
        at = segment.cursor
        continue
      }
      const { frame } = reading
      entries += frame.entries
      bytes += frame.bytes
      if (found.length > 0 && (entries > limits.entries || bytes > limits.bytes)) return found
      found.push({ segment, frame })
      at = frame.offset + frame.bytes
    }
  }

  #stepOver(segment: Segment<Batch>, part: Unreadable): void {
    this.#log.unread(segment.path, part)
    this.#counts[part.kind]++
    if (part.kind === 'damaged') segment.isDamaged = true
    segment.settle(part)
  }
}
