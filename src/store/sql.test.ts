import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import t from 'tap'
import { closeSql, openControl } from './sql.ts'

/** What a server sends when it has let somebody in: AuthenticationOk, ReadyForQuery (PostgreSQL manual §55.7). */
const WELCOME = Buffer.from([82, 0, 0, 0, 8, 0, 0, 0, 0, 90, 0, 0, 0, 5, 73])

t.test(
  'a connection that breaks at its first query rejects that query, and does not end the process',
  async (t) => {
    const unhandled: unknown[] = []
    const note = (error: unknown): void => void unhandled.push(error)
    process.on('unhandledRejection', note)
    t.teardown(() => process.off('unhandledRejection', note))
    for (const end of ['end', 'resetAndDestroy'] as const) {
      const server = createServer((socket) => {
        socket.on('error', () => {})
        socket.once('data', () => {
          socket.write(WELCOME)
          socket.once('data', () => {
            // Nobody is let in again: what is tried anew fails at once.
            server.close()
            socket[end]()
          })
        })
      })
      server.listen(0, '127.0.0.1')
      await once(server, 'listening')
      const { port } = server.address() as AddressInfo
      const target = {
        host: '127.0.0.1',
        port,
        user: 'u',
        password: null,
        database: 'd',
        tls: 'disable',
      } as const
      const sql = openControl(target, { max: 1 })
      await t.rejects(sql`SELECT 1`, end)
      await t.rejects(sql`SELECT 2`, { code: 'ECONNREFUSED' })
      await closeSql(sql, 0)
      await new Promise((resolve) => void setTimeout(resolve, 20))
    }
    t.same(unhandled, [])
  },
)
