import { once } from 'node:events'
import type { Server as HttpServer } from 'node:http'
import { createServer, type AddressInfo, type Server } from 'node:net'
import type { Test } from 'tap'

/** Has a server listen on a free port of loopback, closed with its connections on teardown. Resolves with the port. */
export async function listenOnLoopback(t: Test, server: HttpServer): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => closeAtOnce(server))
  return portOf(server)
}

/** Closes a server and all its connections, if it is not closed yet. */
export async function closeAtOnce(server: HttpServer): Promise<void> {
  if (!server.listening) return
  const closed = once(server, 'close')
  server.close()
  server.closeAllConnections()
  await closed
}

/** A port of loopback that was free a moment ago, for programs that cannot take one themselves. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const port = portOf(server)
  server.close()
  await once(server, 'close')
  return port
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port
}
