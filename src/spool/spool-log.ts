import type { Frame, Unreadable } from './segment.ts'

/** What a spool tells of itself; its user finds the words, and bounds what repeats. None of it may throw. */
export interface SpoolLog<Batch> {
  /** The disk took a batch; `isFirst`: nothing was pending before it. */
  appended(frame: Frame<Batch>, isFirst: boolean): void
  /** The disk did not take a batch: a code of the system's, or `bound`: `maxBytes` is reached. */
  refused(code: string, fields: { bytes: number; maxBytes: number }): void
  /** A part of a segment cannot be read, and is stepped over. */
  unread(path: string, part: Unreadable): void
  /** A batch that the user cannot store for now stands aside. Once for each. */
  batchAside(path: string, frame: Frame<Batch>, code: string): void
  /** A segment that cannot be read, or a file that cannot be taken over, stands aside. Once for each. */
  fileAside(path: string, code: string, entries?: number): void
  /** A segment that stood aside can be read again. */
  readAgain(path: string, entries: number): void
  /** The file of a segment that was written to is not where it was. */
  gone(path: string): void
  /** Segments of dead processes were taken over. */
  adopted(segments: number, entries: number): void
  /** Something else failed, which is done without, or done again later. */
  failed(what: string, code: string, path?: string): void
  /** All batches are settled, and all files removed. */
  emptied(): void
}
