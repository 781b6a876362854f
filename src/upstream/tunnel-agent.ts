import { Agent, type ClientRequestArgs } from 'node:http'
import type { Duplex } from 'node:stream'
import { UpstreamConnectTimeoutError } from './failure.ts'
import { openUpstreamSocket, type UpstreamTarget } from './socket.ts'

/** Has a handshake's connection opened as all others to its upstream are: by the same names, certificates and limit. */
export class TunnelAgent extends Agent {
  readonly #target: UpstreamTarget

  constructor(target: UpstreamTarget) {
    super({ keepAlive: false })
    this.#target = target
    // http and https both ask their agent whether it is of theirs.
    Object.assign(this, { protocol: target.isTls ? 'https:' : 'http:' })
  }

  override createConnection(_options: ClientRequestArgs): Duplex {
    const socket = openUpstreamSocket(this.#target, null)
    const timer = setTimeout(
      () => socket.destroy(new UpstreamConnectTimeoutError()),
      this.#target.connectTimeoutMs,
    )
    socket.once(this.#target.isTls ? 'secureConnect' : 'connect', () => clearTimeout(timer))
    socket.once('close', () => clearTimeout(timer))
    return socket
  }
}
