import { setImmediate as immediate } from 'node:timers/promises'
import type { AddressInfo, Server } from 'node:net'

/** The proxy listener could not take its address; the cause says why. */
export class ProxyListenError extends Error {
  readonly code = 'WAYBILL_PROXY_LISTEN'

  constructor(host: string, port: number, cause: NodeJS.ErrnoException) {
    const why = cause.code === 'EADDRINUSE' ? 'the port is in use' : (cause.code ?? cause.message)
    super(`proxy listener cannot listen on ${host}:${port} (options listen.host, listen.port): ${why}`, {
      cause,
    })
    this.name = 'ProxyListenError'
  }
}

/** Has a server listen; resolves with the address. Rejects with a `ProxyListenError` when it cannot. */
export async function listen(server: Server, host: string, port: number): Promise<AddressInfo> {
  await new Promise<void>((resolve, reject) => {
    const onError = (error: Error): void => reject(new ProxyListenError(host, port, error))
    server.once('error', onError)
    server.listen(port, host, () => {
      server.off('error', onError)
      resolve()
    })
  })
  return server.address() as AddressInfo
}

/**
 * Calls `close` when what waited to be accepted has been: the kernel resets what it still has when a port is closed. Two turns of the
 * loop, the second of which is short, as it has only what came during the first.
 */
export async function afterAccepting(close: () => void): Promise<void> {
  await immediate()
  await immediate()
  close()
}
