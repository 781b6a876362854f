import type { Connection, Submittable } from 'pg'
import { from as copyFrom } from 'pg-copy-streams'

/** What pg calls of the stream, and its types leave out. */
interface CopyHandlers {
  handleCopyInResponse(connection: Connection): void
  handleCommandComplete(message: object): void
  handleReadyForQuery(): void
  handleError(error: unknown): void
}

/**
 * A COPY whose rows follow the statement at once: they do not wait for the server's CopyInResponse. A server that refuses the
 * statement reads the rows and throws them away (PostgreSQL manual §54.2.2, "COPY Operations"). Measured: docs/decisions/0024.
 */
export class CopyRun implements Submittable {
  /** Resolves with the number of rows that Postgres counted. Rejects with the driver's error. */
  readonly ended: Promise<number>
  readonly #stream: ReturnType<typeof copyFrom> & CopyHandlers

  constructor(statement: string, bodies: readonly Buffer[]) {
    const stream = (this.#stream = copyFrom(statement) as ReturnType<typeof copyFrom> & CopyHandlers)
    this.ended = new Promise((resolve, reject) => {
      // Stays on: pg may report the end of the connection after the error that caused it.
      stream.on('error', reject)
      stream.once('finish', () => resolve(stream.rowCount))
    })
    for (const body of bodies.slice(0, -1)) stream.write(body)
    stream.end(bodies.at(-1))
  }

  submit(connection: Connection): void {
    const socket = connection.stream
    // One write: the statement and its rows.
    socket.cork()
    this.#stream.submit(connection)
    this.#stream.handleCopyInResponse(connection)
    socket.uncork()
  }

  handleCopyInResponse(): void {
    // The rows are on their way.
  }

  handleCommandComplete(message: object): void {
    this.#stream.handleCommandComplete(message)
  }

  handleRowDescription(): void {
    // Of the count that follows the COPY: it fails, or says nothing.
  }

  handleDataRow(): void {
    // Likewise.
  }

  handleReadyForQuery(): void {
    this.#stream.handleReadyForQuery()
  }

  handleError(error: unknown): void {
    this.#stream.handleError(error)
  }
}
