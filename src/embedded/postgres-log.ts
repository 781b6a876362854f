import { closeSync, fstatSync, renameSync, writeSync } from 'node:fs'
import { openLog } from './postgres-layout.ts'
import type { Layout } from './postgres-layout.ts'

const MAX_LOG_BYTES = 1024 * 1024
const TAIL_CHARACTERS = 2000

/** The log of supervisor and PostgreSQL: two files, `log` and `log.1`, of at most 1 MiB each. Written synchronously (it is rare). */
export class BoundedLog {
  readonly #layout: Layout
  #fd: number
  #bytes: number
  #tail = ''

  constructor(layout: Layout) {
    this.#layout = layout
    this.#fd = openLog(layout)
    this.#bytes = fstatSync(this.#fd).size
  }

  /** The last 2000 characters written here, for an error message. */
  get tail(): string {
    return this.#tail.trim()
  }

  /** Appends. Never throws: a full disk must not take the database down with it. */
  write(chunk: Buffer): void {
    this.#tail = (this.#tail + chunk.toString('utf8')).slice(-TAIL_CHARACTERS)
    try {
      if (this.#bytes + chunk.length > MAX_LOG_BYTES) this.#rotate()
      writeSync(this.#fd, chunk)
      this.#bytes += chunk.length
    } catch {
      // Nowhere left to say it.
    }
  }

  /** Appends a line of our own, marked as such. */
  note(message: string): void {
    this.write(Buffer.from(`${new Date().toISOString()} [supervisor ${process.pid}] ${message}\n`))
  }

  #rotate(): void {
    renameSync(this.#layout.logFile, `${this.#layout.logFile}.1`)
    const next = openLog(this.#layout)
    closeSync(this.#fd)
    this.#fd = next
    this.#bytes = 0
  }
}
