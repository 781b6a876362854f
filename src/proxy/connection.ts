import type { Socket } from 'node:net'
import type { Exchange } from './exchange.ts'

/**
 * A client connection and the exchanges open on it: usually one, more when the client pipelines. Node tells a pipelined
 * response that was not yet its connection's turn nothing of the connection's end; the gateway asks here.
 */
export class Connection {
  readonly socket: Socket
  /** Peer address as the socket gave it; kept, because a closed socket forgets it. */
  readonly peer: string
  readonly open = new Set<Exchange>()
  /** Monotonic ms at which the connection is broken off unless the rest of an upload has arrived by then. */
  lingerUntilTick = Infinity

  constructor(socket: Socket) {
    this.socket = socket
    this.peer = socket.remoteAddress ?? ''
  }
}
