import { IncomingMessage } from 'node:http'
import type { BodySink } from '../http/body.ts'
import type { ClientBody, ClientRequest, TunnelStart } from '../proxy/exchange/client.ts'

/** Node's request, and its body as the data plane reads one. */
export class NodeRequest extends IncomingMessage implements ClientRequest {
  #body: NodeBody | null | undefined
  /** Set by the server that hands the connection over. */
  tunnel: TunnelStart | null = null

  /** Whether a body comes, or it is said that one does: Node 26 hands an upgrade over without it. */
  get hasBody(): boolean {
    const { 'content-length': length, 'transfer-encoding': coding } = this.headers
    return coding !== undefined || (length !== undefined && Number(length) !== 0)
  }

  get body(): ClientBody | null {
    this.#body ??= this.hasBody ? new NodeBody(this) : null
    return this.#body
  }
}

class NodeBody implements ClientBody {
  readonly #message: IncomingMessage
  #sink: BodySink | null = null

  constructor(message: IncomingMessage) {
    this.#message = message
  }

  start(sink: BodySink): void {
    const message = this.#message
    this.#sink = sink
    message.on('data', (bytes: Buffer) => {
      if (this.#sink?.write(bytes) === false) message.pause()
    })
    message.on('end', () => this.#sink?.end())
  }

  resume(): void {
    this.#message.resume()
  }

  stop(then?: () => void): void {
    this.#sink = null
    if (then !== undefined) this.#message.once('end', then)
    this.#message.resume()
  }
}
