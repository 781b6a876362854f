import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { listen } from '../../proxy/listen.ts'

/** Who takes connections. */
export interface Taker {
  readonly canTake: boolean
  /** Those that are get connections before those that are not. */
  readonly isReady: boolean
  /** Connections that it has. */
  readonly connections: number
  hand(socket: Socket): void
}

/** Connections that wait while no worker can take one; the kernel's own queue is of that order. */
const MAX_WAITING = 1024

/**
 * The listening socket. It belongs to the primary, so that it outlives any worker: a connection that comes while workers are
 * replaced, or all of them have died, waits instead of being refused. Reads nothing: each goes unread to the worker with
 * the fewest connections, in turn among equals, and to another one when that died before it took it.
 */
export class Acceptor {
  readonly #server: Server
  readonly #takers: () => readonly Taker[]
  readonly #maxConnections: number
  readonly #waiting: Socket[] = []
  #turn = 0

  constructor(parts: { takers: () => readonly Taker[]; maxConnections: number }) {
    this.#takers = parts.takers
    this.#maxConnections = parts.maxConnections
    this.#server = createServer({ pauseOnConnect: true }, (socket) => this.#onConnection(socket))
  }

  /** Listens; resolves with the address. Rejects with a `ProxyListenError` when it cannot. */
  async start(host: string, port: number): Promise<AddressInfo> {
    const address = await listen(this.#server, host, port)
    this.#server.on('error', () => {}) // out of descriptors while accepting: it goes on
    return address
  }

  /** Connections that no worker has been found for. */
  get waiting(): number {
    return this.#waiting.length
  }

  /** Hands on what waits, as far as there is room. To be called whenever there may be. */
  pump(): void {
    while (this.#waiting.length > 0) {
      const taker = this.#next()
      if (taker === null) return
      const socket = this.#waiting.shift()
      if (socket !== undefined) taker.hand(socket)
    }
  }

  /** Takes back connections that a worker did not take before it died. */
  takeBack(sockets: readonly Socket[]): void {
    this.#waiting.unshift(...sockets)
    this.pump()
  }

  /** Stops listening; what waits is closed. Idempotent. */
  stop(): void {
    this.#server.close(() => {})
    for (const socket of this.#waiting.splice(0)) socket.destroy()
  }

  #onConnection(socket: Socket): void {
    // A connection that breaks while it waits or is on its way is the worker's to notice.
    socket.on('error', () => {})
    const open = this.#takers().reduce((sum, { connections }) => sum + connections, this.#waiting.length)
    if (this.#waiting.length >= MAX_WAITING || open >= this.#maxConnections) {
      socket.destroy()
      return
    }
    this.#waiting.push(socket)
    this.pump()
  }

  #next(): Taker | null {
    const takers = this.#takers()
    let found: Taker | null = null
    for (let i = 0; i < takers.length; i++) {
      const taker = takers[(this.#turn + i) % takers.length]
      if (taker === undefined || !taker.canTake) continue
      if (found === null || isBetter(taker, found)) found = taker
    }
    this.#turn = (this.#turn + 1) % Math.max(1, takers.length)
    return found
  }
}

function isBetter(a: Taker, b: Taker): boolean {
  return a.isReady === b.isReady ? a.connections < b.connections : a.isReady
}
