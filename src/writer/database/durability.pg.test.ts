import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { type DurabilitySettings, weaknessesOf } from '../../model/durability.ts'
import type { DatabaseTarget } from '../../model/database-target.ts'
import { ensurePartitions } from '../../store/entries/partitions.ts'
import { testDatabase } from '../../test/database.ts'
import { CopyConnection } from './copy.ts'
import { entryOf, sealedBatch } from '../../test/writer-parts.ts'

const { sql, target } = await testDatabase(t)
await ensurePartitions(sql, new Date(), 1)

/** The way through something that turns what the session sets into the opposite, as if it had set it for somebody else. */
async function deaf(t: Test): Promise<DatabaseTarget> {
  const [wanted, made] = ["synchronous_commit TO E'on'", 'synchronous_commit TO off  ']
  const sockets: Socket[] = []
  const server = createServer((client) => {
    const path = target.host.startsWith('/') ? `${target.host}/.s.PGSQL.${target.port}` : null
    const upstream = path === null ? connect(target.port, target.host) : connect(path)
    sockets.push(client, upstream)
    for (const socket of [client, upstream]) socket.on('error', () => {})
    client.on('data', (bytes) =>
      upstream.write(Buffer.from(bytes.toString('latin1').replace(wanted, made), 'latin1')),
    )
    upstream.pipe(client)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return { ...target, host: '127.0.0.1', port: (server.address() as AddressInfo).port }
}

async function foundBy(t: Test, to: DatabaseTarget, number: number): Promise<DurabilitySettings[]> {
  const found: DurabilitySettings[] = []
  const connection = new CopyConnection(to, { copyTimeoutMs: 5000 }, (settings) => found.push(settings))
  t.teardown(() => connection.close())
  await connection.store(sealedBatch([entryOf({ startedAtMs: Date.now() })], { number }))
  return found
}

t.test('D9: the writer asks its own connection what is in force', async (t) => {
  await sql.unsafe(`ALTER DATABASE "${target.database}" SET synchronous_commit = off`)
  const [row] = await sql<{ fsync: string; full_page_writes: string }[]>`
    SELECT current_setting('fsync') AS fsync, current_setting('full_page_writes') AS full_page_writes`
  const own = { ...row, synchronous_commit: 'on', in_recovery: 'off' }
  t.same(await foundBy(t, target, 1), [own], "the database's default does not reach it")
  const [seen] = await foundBy(t, await deaf(t), 2)
  t.same(seen, { ...own, synchronous_commit: 'off' }, 'what was set is not what is in force')
  t.ok(seen !== undefined && weaknessesOf(seen).includes('synchronous_commit = off'))
})
