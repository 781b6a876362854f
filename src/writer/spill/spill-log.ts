import type { Clock } from '../../lib/time/clock.ts'
import type { LogLines } from '../../lib/log-lines.ts'
import type { Frame, Unreadable } from '../../spool/segment.ts'
import type { SpoolLog } from '../../spool/spool-log.ts'
import type { Batch } from '../batch/batch.ts'

/** A refusal that repeats is told no sooner than this. */
const REPEAT_MS = 30_000

/** What the spill tells the operator: every change of state once, what repeats at most every 30 s; never a row's content. */
export class SpillLog implements SpoolLog<Batch> {
  readonly #lines: LogLines
  readonly #clock: Clock
  #toldAtMs = -Infinity
  #refusal = ''

  constructor(lines: LogLines, clock: Clock) {
    this.#lines = lines
    this.#clock = clock
  }

  /** See SpoolLog. */
  appended({ batch, entries }: Frame<Batch>, isFirst: boolean): void {
    const fields = { batch: batch.number, entries }
    if (this.#refusal !== '') this.#lines.info(fields, 'access log: the spill has room again')
    else if (isFirst) this.#lines.warn(fields, 'access log: entries go to the spill directory')
    this.#refusal = ''
  }

  /** See SpoolLog. */
  refused(code: string, fields: { bytes: number; maxBytes: number }): void {
    const nowMs = this.#clock.nowMs()
    if (code === this.#refusal && nowMs - this.#toldAtMs < REPEAT_MS) return
    this.#refusal = code
    this.#toldAtMs = nowMs
    this.#lines.error({ code, ...fields }, 'access log: the spill directory takes no more entries')
  }

  /** See SpoolLog. */
  unread(path: string, { kind, offset, bytes }: Unreadable): void {
    const fields = { path, offset, bytes }
    if (kind === 'torn')
      this.#lines.warn(fields, 'access log: unfinished batch at the end of a spill segment')
    else this.#lines.error(fields, 'access log: damaged place in a spill segment, which is kept aside')
  }

  /** See SpoolLog. */
  batchAside(path: string, { batch, entries }: Frame<Batch>, code: string): void {
    this.#aside({ path, batch: batch.number, entries, code })
  }

  /** See SpoolLog. */
  fileAside(path: string, code: string, entries?: number): void {
    this.#aside(entries === undefined ? { path, code } : { path, code, entries })
  }

  /** See SpoolLog. */
  readAgain(path: string, entries: number): void {
    this.#lines.info({ path, entries }, 'access log: a spill segment that was set aside can be read again')
  }

  /** See SpoolLog. */
  gone(path: string): void {
    this.#lines.warn(
      { path },
      'access log: a spill segment in use was taken over, moved or removed; a new one is begun',
    )
  }

  /** See SpoolLog. */
  adopted(segments: number, entries: number): void {
    this.#lines.info({ segments, entries }, 'access log: spill segments of a dead process taken over')
  }

  /** See SpoolLog. */
  failed(what: string, code: string, path?: string): void {
    this.#lines.error({ what, code, path }, 'access log: spill directory')
  }

  /** See SpoolLog. */
  emptied(): void {
    this.#lines.info({}, 'access log: all spilled entries are stored')
  }

  #aside(fields: object): void {
    this.#lines.error(fields, 'access log: set aside in the spill directory, tried again now and then')
  }
}
