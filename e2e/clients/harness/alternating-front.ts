import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import type { Test } from 'tap'

/** A load balancer that knows nothing of HTTP: each new connection goes to the next of its targets. */
export interface AlternatingFront {
  /** Without a slash at the end. */
  readonly url: string
  /** Origins; none is there at the start, since gateways want to know the front's address first. */
  targets: readonly string[]
}

/** Starts a front on loopback, closed on teardown. */
export async function startAlternatingFront(t: Test): Promise<AlternatingFront> {
  const sockets = new Set<Socket>()
  let turn = 0
  const server = createServer((client) => {
    const target = new URL(front.targets[turn++ % front.targets.length] ?? 'http://127.0.0.1:1')
    const gateway = connect(Number(target.port), target.hostname)
    for (const [socket, other] of [
      [client, gateway],
      [gateway, client],
    ] as const) {
      sockets.add(socket)
      socket.setNoDelay()
      socket.on('error', () => other.destroy())
      socket.on('close', () => {
        sockets.delete(socket)
        other.destroy()
      })
      socket.pipe(other)
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(async () => {
    const closed = once(server, 'close')
    server.close()
    for (const socket of sockets) socket.destroy()
    await closed
  })
  const { port } = server.address() as AddressInfo
  const front: AlternatingFront = { url: `http://127.0.0.1:${port}`, targets: [] }
  return front
}
