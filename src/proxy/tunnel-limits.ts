import type { Socket } from 'node:net'
import type { Outcome, Reason } from '../model/outcome.ts'
import type { Carrier, Exchange } from './exchange/exchange.ts'

/** How much more often than its limits a tunnel is looked at. */
const LOOKS = 8

/** Ends a tunnel that has been silent, or open, for longer than its route permits. */
export class TunnelLimits implements Carrier {
  readonly #exchange: Exchange
  readonly #socket: Socket
  readonly #upstreamSocket: Socket
  readonly #idleMs: number
  readonly #maxMs: number
  readonly #startedTick = performance.now()
  #movedTick = this.#startedTick
  #bytes = 0
  /** How often `timeOut` is to be called; 0 for never. */
  readonly intervalMs: number

  constructor(exchange: Exchange, socket: Socket, upstreamSocket: Socket) {
    this.#exchange = exchange
    this.#socket = socket
    this.#upstreamSocket = upstreamSocket
    const { upgradeIdleTimeoutMs = 0, upgradeMaxMs = 0 } = exchange.route ?? {}
    this.#idleMs = upgradeIdleTimeoutMs === 0 ? Infinity : upgradeIdleTimeoutMs
    this.#maxMs = upgradeMaxMs === 0 ? Infinity : upgradeMaxMs
    const shortest = Math.min(this.#idleMs, this.#maxMs)
    this.intervalMs = shortest === Infinity ? 0 : Math.max(1, shortest / LOOKS)
  }

  cancel(): void {
    this.#upstreamSocket.destroy()
  }

  /** See Carrier. */
  stop(outcome: Outcome, reason: Reason | null): void {
    this.#exchange.end(outcome, reason)
    this.#socket.destroy()
    this.#upstreamSocket.destroy()
  }

  /** Some time has passed: looks whether it was too much. */
  timeOut(): void {
    const tick = performance.now()
    const bytes = this.#socket.bytesRead + this.#socket.bytesWritten
    if (bytes !== this.#bytes) {
      this.#bytes = bytes
      this.#movedTick = tick
    }
    if (tick - this.#startedTick >= this.#maxMs) this.#end('lifetime')
    else if (tick - this.#movedTick >= this.#idleMs) this.#end('idle_timeout')
  }

  #end(reason: 'lifetime' | 'idle_timeout'): void {
    this.#exchange.end('forwarded', reason)
    this.#socket.destroySoon()
    this.#upstreamSocket.destroySoon()
  }
}
