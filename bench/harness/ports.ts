import { once } from 'node:events'
import { connect, createServer, type AddressInfo } from 'node:net'
import { hasEnded, type Spawned } from './process.ts'
import { Hopeless, untilTrue } from './wait.ts'

/** A port of loopback that was free a moment ago: several of the candidates cannot be asked to take one themselves. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

/** Resolves when somebody listens there. Rejects with what the process said when it ends or takes too long. */
export async function waitForPort(port: number, process: Spawned): Promise<void> {
  await untilTrue(`port ${port}`, async () => {
    if (hasEnded(process.child)) throw new Hopeless(`it ended: ${process.stderr()}`)
    const socket = connect(port, '127.0.0.1')
    try {
      await once(socket, 'connect')
      return true
    } finally {
      socket.destroy()
    }
  })
}
