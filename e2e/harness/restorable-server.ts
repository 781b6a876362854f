import { rm } from 'node:fs/promises'
import type { Test } from 'tap'
import type { TestDatabase } from './database.ts'
import { addressOf, end, ownServers, type Server } from './own-servers.ts'

/** A server of its own, of which a backup can be made and put back, at one address. */
export interface RestorableServer extends TestDatabase {
  /** Stops it, copies its files, and starts it again. */
  backUp(): Promise<void>
  /** Kills it, puts the backup in the place of its files, and starts it. */
  restore(): Promise<void>
}

/** Starts one. Its clients are cut off while its files are copied. */
export async function restorableServer(t: Test): Promise<RestorableServer> {
  const { servers, init, start, copy } = await ownServers(t, ['a'])
  const [server] = servers as [Server]
  const backup = `${server.data}.backup`
  await init(server)
  await start(server)
  const address = await addressOf(t, server)
  const without = async (signal: NodeJS.Signals, act: () => Promise<void>): Promise<void> => {
    address.point(null)
    await end(server, signal)
    await act()
    await start(server)
    address.point(server)
  }
  return {
    url: address.url,
    query: address.query,
    backUp: () => without('SIGINT', () => copy(server.data, backup)),
    restore: () =>
      without('SIGKILL', async () => {
        await rm(server.data, { recursive: true })
        await copy(backup, server.data)
      }),
  }
}
