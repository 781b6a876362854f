import type { LogLines } from '../lib/log-lines.ts'
import type { Frame, Unreadable } from '../spool/segment.ts'
import type { SpoolLog } from '../spool/spool-log.ts'
import type { StoredParcel } from './delivery-store.ts'

/** What an inbox on disk tells the operator: every change of state once, never what was sent. */
export class InboxLog implements SpoolLog<readonly StoredParcel[]> {
  readonly #lines: LogLines
  #refusal = ''

  constructor(lines: LogLines) {
    this.#lines = lines
  }

  /** See SpoolLog. */
  appended({ entries }: Frame<readonly StoredParcel[]>, isFirst: boolean): void {
    if (this.#refusal !== '') this.#lines.info({}, 'deliveries: the disk has room again')
    else if (isFirst) this.#lines.warn({ entries }, 'deliveries: what is accepted goes to disk')
    this.#refusal = ''
  }

  /** See SpoolLog. */
  refused(code: string, fields: { bytes: number; maxBytes: number }): void {
    if (code === this.#refusal) return
    this.#refusal = code
    this.#lines.error({ code, ...fields }, 'deliveries: the disk takes no more; senders are refused')
  }

  /** See SpoolLog. */
  unread(path: string, { kind, offset, bytes }: Unreadable): void {
    const fields = { path, offset, bytes }
    // What was answered 202 is whole on the medium: a torn one was answered by nothing.
    if (kind === 'torn') this.#lines.warn(fields, 'deliveries: unfinished frame at the end of a file')
    else this.#lines.error(fields, 'deliveries: damaged place in a file, which is kept aside')
  }

  /** See SpoolLog. */
  batchAside(path: string, { entries }: Frame<readonly StoredParcel[]>, code: string): void {
    this.#lines.error({ path, entries, code }, 'deliveries: set aside on disk, tried again now and then')
  }

  /** See SpoolLog. */
  fileAside(path: string, code: string): void {
    this.#lines.error({ path, code }, 'deliveries: a file cannot be read, tried again now and then')
  }

  /** See SpoolLog. */
  readAgain(path: string): void {
    this.#lines.info({ path }, 'deliveries: a file that was set aside can be read again')
  }

  /** See SpoolLog. */
  gone(path: string): void {
    this.#lines.warn({ path }, 'deliveries: a file in use was taken over, moved or removed')
  }

  /** See SpoolLog. */
  adopted(segments: number, entries: number): void {
    this.#lines.info({ segments, entries }, 'deliveries: files of a dead process taken over')
  }

  /** See SpoolLog. */
  failed(what: string, code: string, path?: string): void {
    this.#lines.error({ what, code, path }, 'deliveries: the folder of what was accepted')
  }

  /** See SpoolLog. */
  emptied(): void {
    this.#lines.info({}, 'deliveries: all that was on disk is stored')
  }
}
