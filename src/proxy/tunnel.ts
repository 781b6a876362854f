import type { Socket } from 'node:net'
import type { Outcome, Reason } from '../model/outcome.ts'
import { upstreamFailure } from '../upstream/failure.ts'
import type { Transfer } from '../upstream/slow-transfers.ts'
import type { TunnelStart } from './exchange/client.ts'
import type { Carrier, Exchange } from './exchange/exchange.ts'

/** How much more often than its limits a tunnel is looked at. */
const LOOKS = 8

/**
 * An upgraded connection, from the 101 on: http-proxy moves its bytes. It is counted here, and ended when it has been silent, or open,
 * for longer than its route permits.
 */
export class Tunnel implements Carrier, Transfer {
  readonly socket: Socket
  readonly #exchange: Exchange
  readonly #upstreamSocket: Socket
  readonly #start: TunnelStart
  readonly #idleMs: number
  readonly #maxMs: number
  readonly #startedTick = performance.now()
  #movedTick = this.#startedTick
  #bytes = 0
  /** Bytes written to the client before those of the tunnel; -1 before its head was written. */
  #writtenBefore = -1

  constructor(exchange: Exchange, upstreamSocket: Socket, start: TunnelStart) {
    this.#exchange = exchange
    this.socket = exchange.connection.socket
    this.#upstreamSocket = upstreamSocket
    this.#start = start
    const { upgradeIdleTimeoutMs = 0, upgradeMaxMs = 0 } = exchange.route ?? {}
    this.#idleMs = upgradeIdleTimeoutMs === 0 ? Infinity : upgradeIdleTimeoutMs
    this.#maxMs = upgradeMaxMs === 0 ? Infinity : upgradeMaxMs
    const shortest = Math.min(this.#idleMs, this.#maxMs)
    exchange.respondedTick = this.#startedTick
    exchange.outcome = 'forwarded'
    exchange.status = 101
    exchange.enter('upgraded', shortest === Infinity ? 0 : Math.max(1, shortest / LOOKS), this.#startedTick)
    exchange.carrier = this
    // http-proxy writes the 101 after the listeners of the upgrade; what follows it is the tunnel's.
    process.nextTick(() => {
      this.#writtenBefore = this.socket.bytesWritten
    })
    upstreamSocket.once('close', () => this.socket.destroySoon())
  }

  /** The client's connection has closed: tells the exchange what the tunnel has moved. */
  count(): void {
    const { bytesRead, bytesWritten } = this.socket
    this.#exchange.bytesReceived = bytesRead - this.#start.readBefore
    this.#exchange.bytesSent = this.#writtenBefore < 0 ? 0 : Math.max(0, bytesWritten - this.#writtenBefore)
  }

  /** The upstream's side has failed. */
  fail(error: NodeJS.ErrnoException): void {
    const { outcome, reason } = upstreamFailure(error)
    this.#exchange.end(outcome, reason)
    this.socket.destroySoon()
  }

  /** See Carrier. */
  cancel(): void {
    this.#upstreamSocket.destroy()
  }

  /** See Carrier. */
  stop(outcome: Outcome, reason: Reason | null): void {
    this.#exchange.end(outcome, reason)
    this.socket.destroy()
    this.#upstreamSocket.destroy()
  }

  /** See Carrier: some time has passed, and it may have been too much. */
  timeOut(): void {
    const tick = performance.now()
    const bytes = this.moved()
    if (bytes !== this.#bytes) {
      this.#bytes = bytes
      this.#movedTick = tick
    }
    if (tick - this.#startedTick >= this.#maxMs) this.#end('lifetime')
    else if (tick - this.#movedTick >= this.#idleMs) this.#end('idle_timeout')
  }

  /** See Transfer. */
  moved(): number {
    return this.socket.bytesRead + this.socket.bytesWritten
  }

  /** See Transfer. */
  movingSince(): number {
    return this.#startedTick
  }

  /** See Transfer. */
  giveWay(): void {
    this.#exchange.end('overloaded', 'gave_way')
    this.socket.destroy()
  }

  #end(reason: 'lifetime' | 'idle_timeout'): void {
    this.#exchange.end('forwarded', reason)
    this.socket.destroySoon()
    this.#upstreamSocket.destroySoon()
  }
}
