import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Test } from 'tap'
import type { TestDatabase } from './database.ts'
import { addressOf, ask, end, ownServers, USER, type Server } from './own-servers.ts'
import { untilTrue } from './wait.ts'

/** A primary and its standby by streaming replication, behind one address, as a failover leaves clients to see them. */
export interface TwoServers extends TestDatabase {
  /** Resolves when the standby has replayed what the primary has committed so far. */
  untilReplayed(): Promise<void>
  /** Ends the streaming: what is committed from now on the standby will not have. */
  cut(): Promise<void>
  /** Kills the primary, promotes the standby, and lets the address lead there. Resolves when it takes writes. */
  failOver(): Promise<void>
}

/** Starts both, the standby from a cold copy, for pg_basebackup is not among the embedded binaries. `query` goes to the one that the address leads to. */
export async function twoServers(t: Test): Promise<TwoServers> {
  const { servers, init, start, copy } = await ownServers(t, ['a', 'b'])
  const [a, b] = servers as [Server, Server]
  await init(a)
  await copy(a.data, b.data)
  await writeFile(join(b.data, 'standby.signal'), '')
  await start(a)
  await start(b, { primary_conninfo: `host=${a.sockets} user=${USER} application_name=standby` })
  const address = await addressOf(t, a)
  return {
    url: address.url,
    query: address.query,
    untilReplayed: async () => {
      const [at] = await ask<{ lsn: string }>(a, 'SELECT pg_current_wal_lsn()::text AS lsn')
      await untilTrue('the standby has replayed', async () => {
        const [row] = await ask<{ done: boolean }>(
          b,
          'SELECT pg_last_wal_replay_lsn() >= $1::pg_lsn AS done',
          'waybill',
          [at?.lsn],
        )
        return row?.done === true
      })
    },
    cut: async () => {
      await ask(b, "ALTER SYSTEM SET primary_conninfo = ''")
      await end(b, 'SIGINT')
      // Without the setting on the command line, which would win.
      await start(b)
    },
    failOver: async () => {
      address.point(null)
      await end(a, 'SIGKILL')
      await ask(b, 'SELECT pg_promote()')
      await untilTrue('the standby takes writes', async () => {
        const [row] = await ask<{ is: boolean }>(b, 'SELECT pg_is_in_recovery() AS is')
        return row?.is === false
      })
      address.point(b)
    },
  }
}
