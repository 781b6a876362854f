import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { isIPv6, type AddressInfo } from 'node:net'

/** A sample upstream that is listening. */
export interface SampleListener {
  /** Base address with a trailing slash, for example `http://127.0.0.1:40123/`. */
  readonly url: string
  /** Stops accepting and ends open connections. Idempotent: every call returns the same promise. */
  close(): Promise<void>
}

/** Where a sample upstream listens, and where its failures are told. */
export interface SampleListenerOptions {
  /** Address to bind; default `127.0.0.1`. The port is always a free one. */
  host?: string
  /** Told of every error a handler did not expect; must not throw. Default: nobody. */
  onError?: (error: unknown) => void
}

/** Answers one request. Throwing (or rejecting) is answered with 500. */
export type SampleHandler = (req: IncomingMessage, res: ServerResponse) => void | Promise<void>

/** More sockets than this are closed on accept: far above what a demo needs, far below what a process can hold. */
const maxConnections = 4_096

/** A connection on which nothing moved for this long is closed; it also bounds a client that stops reading. */
const idleTimeoutMs = 120_000

/** Longer than a gateway keeps its own pooled connections, so that the gateway closes first and never meets a race. */
const keepAliveTimeoutMs = 65_000

/** Starts `handler` on a free port of `options.host`. Rejects when the address cannot be bound. */
export async function startListener(
  handler: SampleHandler,
  options: SampleListenerOptions = {},
): Promise<SampleListener> {
  const onError = options.onError ?? (() => {})
  const server = createServer((req, res) => void answer(handler, req, res, onError))
  server.maxConnections = maxConnections
  server.keepAliveTimeout = keepAliveTimeoutMs
  server.timeout = idleTimeoutMs
  // A total limit would cut long uploads that do move; `timeout` above bounds the ones that do not.
  server.requestTimeout = 0
  server.listen(0, options.host ?? '127.0.0.1')
  await once(server, 'listening')
  // From here an 'error' is a failed accept (EMFILE): report it and go on.
  server.on('error', onError)

  const { address, port } = server.address() as AddressInfo
  let closed: Promise<void> | undefined
  return {
    url: `http://${isIPv6(address) ? `[${address}]` : address}:${port}/`,
    close() {
      closed ??= new Promise<void>((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      })
      return closed
    },
  }
}

async function answer(
  handler: SampleHandler,
  req: IncomingMessage,
  res: ServerResponse,
  onError: (error: unknown) => void,
): Promise<void> {
  try {
    await handler(req, res)
  } catch (error) {
    // The client left: nobody to answer, and not an error of ours.
    if (res.destroyed || req.socket.destroyed) return
    onError(error)
    if (res.headersSent) {
      // A response that broke half way must not look complete (RFC 9112 §8).
      res.destroy()
      return
    }
    const body = Buffer.from('{"error":"internal error"}\n')
    // The fields that the handler had set described another body.
    for (const name of res.getHeaderNames()) res.removeHeader(name)
    res.writeHead(500, { 'Content-Type': 'application/json', 'Content-Length': body.length })
    res.end(body)
  }
}
