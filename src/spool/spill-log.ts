import type { Clock } from '../lib/time/clock.ts'
import type { Reading } from './segment.ts'
import type { Logger } from '../writer/writer-log.ts'

/** What repeats is told no sooner than this. */
const REPEAT_MS = 30_000

/** What the spill tells the operator: every change of state once, what repeats at most every 30 s; never a row's content. */
export class SpillLog {
  readonly #logger: Logger
  readonly #clock: Clock
  #toldAtMs = -Infinity
  #refusal = ''

  constructor(logger: Logger, clock: Clock) {
    this.#logger = logger
    this.#clock = clock
  }

  /** The disk took a batch. */
  appended(fields: { batch: number; entries: number }, isFirst: boolean): void {
    if (this.#refusal !== '') this.#logger.info(fields, 'access log: the spill has room again')
    else if (isFirst) this.#logger.warn(fields, 'access log: entries go to the spill directory')
    this.#refusal = ''
  }

  /** The disk did not take a batch: a code of the system's, or `bound`: `spill.maxBytes` is reached. */
  refused(code: string, fields: { bytes: number; maxBytes: number }): void {
    const nowMs = this.#clock.nowMs()
    if (code === this.#refusal && nowMs - this.#toldAtMs < REPEAT_MS) return
    this.#refusal = code
    this.#toldAtMs = nowMs
    this.#logger.error({ code, ...fields }, 'access log: the spill directory takes no more entries')
  }

  unread(path: string, reading: Exclude<Reading, { kind: 'end' | 'frame' }>): void {
    const { kind, offset, bytes } = reading
    const fields = { path, offset, bytes }
    if (kind === 'torn')
      this.#logger.warn(fields, 'access log: unfinished batch at the end of a spill segment')
    else this.#logger.error(fields, 'access log: damaged place in a spill segment, which is kept aside')
  }

  /** Something that cannot be stored for now stands aside. Once for each. */
  setAside(fields: { path: string; code: string; entries?: number; batch?: number }): void {
    this.#logger.error(fields, 'access log: set aside in the spill directory, tried again now and then')
  }

  readAgain(fields: { path: string; entries: number }): void {
    this.#logger.info(fields, 'access log: a spill segment that was set aside can be read again')
  }

  /** The file that was written to is not where it was. */
  gone(path: string): void {
    this.#logger.warn(
      { path },
      'access log: a spill segment in use was taken over, moved or removed; a new one is begun',
    )
  }

  adopted(segments: number, entries: number): void {
    this.#logger.info({ segments, entries }, 'access log: spill segments of a dead process taken over')
  }

  /** Something else failed, which is done without, or done again later. */
  failed(what: string, code: string, path?: string): void {
    this.#logger.error({ what, code, path }, 'access log: spill directory')
  }

  emptied(): void {
    this.#logger.info({}, 'access log: all spilled entries are stored')
  }
}
