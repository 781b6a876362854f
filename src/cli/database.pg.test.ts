import { createServer, type AddressInfo, type Socket } from 'node:net'
import { once } from 'node:events'
import t from 'tap'
import { testDatabase } from '../test/database.ts'
import { testWaybill } from '../test/waybill.ts'

// Each command is a process of its own.
t.setTimeout(120_000)
const db = await testDatabase(t)

t.test(
  'a database without the schema is an error that names the command, and migrate makes it',
  async (t) => {
    const name = `${db.target.database}_empty`
    await db.sql`CREATE DATABASE ${db.sql(name)} TEMPLATE template0`
    t.teardown(() => db.sql`DROP DATABASE ${db.sql(name)} WITH (FORCE)`)
    const url = new URL(db.url)
    url.pathname = `/${name}`
    const waybill = await testWaybill(t, url.href)
    for (const args of [['tenants', 'list'], ['keys', 'mint', '--tenant', 'a'], ['logs'], ['usage']]) {
      t.match(await waybill.run(...args), {
        code: 1,
        stdout: '',
        stderr: /^error: [^\n]*"waybill migrate"\n$/,
      })
    }
    const migrated = await waybill.run('migrate', '--json')
    t.equal(migrated.code, 0)
    t.match(JSON.parse(migrated.stdout), { applied: /^0001-/ })
    t.match(await waybill.run('migrate'), { code: 0, stdout: 'the database is up to date\n' })
    t.match(await waybill.run('tenants', 'list'), { code: 0 })
  },
)

t.test('an unreachable database is one line with host and port, without the password', async (t) => {
  // A port that was free a moment ago.
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  const waybill = await testWaybill(t, `postgres://waybill:sekrit@127.0.0.1:${port}/waybill`)
  for (const args of [['tenants', 'list'], ['logs'], ['migrate']]) {
    const { code, stdout, stderr } = await waybill.run(...args)
    t.equal(code, 1)
    t.equal(stdout, '')
    t.equal(stderr, `error: the database at 127.0.0.1:${port} cannot be reached (ECONNREFUSED)\n`)
  }
})

for (const [how, close] of [
  ['breaks off', (socket: Socket) => socket.resetAndDestroy()],
  ['closes', (socket: Socket) => socket.destroy()],
  ['ends', (socket: Socket) => socket.end()],
  ['hears, and ends', (socket: Socket) => socket.once('data', () => socket.end())],
] as const) {
  t.test(`a server that ${how} the connection at once is told, not waited for`, async (t) => {
    const server = createServer((socket) => close(socket.on('error', () => {}))).listen(0, '127.0.0.1')
    t.teardown(() => server.close())
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    const waybill = await testWaybill(t, `postgres://waybill@127.0.0.1:${port}/waybill`)
    t.match(await waybill.run('tenants', 'list'), {
      code: 1,
      stdout: '',
      stderr: /^error: [^\n]*cannot be reached[^\n]*\n$/,
    })
  })
}

t.test('a database URL that is none is a configuration error that does not quote it', async (t) => {
  for (const url of [
    'mysql://u:sekrit@h/d',
    'postgres://:sekrit@h/d',
    'postgres://u:sekrit@h/d?sslmode=maybe',
  ]) {
    const waybill = await testWaybill(t, url)
    const { code, stderr } = await waybill.run('tenants', 'list')
    t.equal(code, 2, url)
    t.notMatch(stderr, 'sekrit')
  }
})

t.test('G7: a command that crashes ends with one plain line too', async (t) => {
  const waybill = await testWaybill(t, db.url)
  // Throws where nobody catches, once the program is there.
  const crash = `setInterval(() => {
    if (process.listenerCount('uncaughtException') > 0) throw new TypeError('boom')
  }, 20)`
  const child = waybill.start(['logs', '--follow'], ['--import', `data:text/javascript,${crash}`])
  let errors = ''
  child.stderr?.on('data', (chunk: Buffer) => void (errors += chunk.toString()))
  t.same(await once(child, 'close'), [1, null])
  t.match(errors, /(?:^|\n)error: WAYBILL_INTERNAL: boom \(this is a bug; WAYBILL_DEBUG=1 shows where\)\n$/)
  t.notMatch(errors, /\n\s+at /)
})
