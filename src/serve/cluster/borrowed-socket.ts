import { createServer, type Server, type Socket } from 'node:net'
import { afterAccepting } from '../../listener/listen.ts'

/** Who serves what is accepted. */
export interface Borrower {
  readonly take: (socket: Socket) => void
  /** Connections open now. */
  readonly open: () => number
  /** It has stopped by itself, at its number. */
  readonly onStopped: () => void
  readonly onFailed: (errno: number) => void
}

/**
 * A worker's side of the listening socket that all share. Accepts until it has the number of connections that the primary
 * said, then lets go of the socket: there is no way to keep it and not be woken for what others shall take.
 */
export class BorrowedSocket {
  readonly #borrower: Borrower
  #server: Server | null = null
  #upTo = 0
  #taken = 0

  constructor(borrower: Borrower) {
    this.#borrower = borrower
  }

  /** Connections accepted since the start. */
  get taken(): number {
    return this.#taken
  }

  get isAccepting(): boolean {
    return this.#server !== null && this.#upTo > 0
  }

  /**
   * Accepts until there are `upTo` connections, from `handle`, or from the one that it has; 0 stops. Resolves when it has let go of the
   * socket, if it does. It may be the last to do so, and takes first what has come.
   */
  async accept(upTo: number, handle: unknown): Promise<void> {
    this.#upTo = upTo
    if (upTo === 0) {
      await afterAccepting(() => {
        if (this.#upTo === 0) this.#letGo()
      })
      return
    }
    if (this.#server === null && isHandle(handle)) this.#listen(handle)
    else if (isHandle(handle)) handle.close()
    if (this.#borrower.open() >= upTo) this.#letGo()
  }

  #listen(handle: Handle): void {
    const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
      this.#taken++
      this.#borrower.take(socket)
      if (this.#upTo === 0 || this.#borrower.open() < this.#upTo || this.#server !== server) return
      this.#letGo()
      this.#borrower.onStopped()
    })
    this.#server = server
    // Out of descriptors while accepting: it goes on. Not so when it could not begin.
    server.on('error', (error: NodeJS.ErrnoException) => {
      if (server.listening) return
      if (this.#server === server) this.#server = null
      this.#borrower.onFailed(error.errno ?? 0)
    })
    server.listen(handle)
  }

  #letGo(): void {
    this.#server?.close()
    this.#server = null
  }
}

interface Handle {
  close(): void
}

function isHandle(value: unknown): value is Handle {
  return typeof value === 'object' && value !== null && 'close' in value
}
