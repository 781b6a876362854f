import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chmod, readFile, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { assertAllStored } from '../harness/accounting.ts'
import { readAudit } from '../harness/audit.ts'
import { testDatabase } from '../harness/database.ts'
import { startForwarder } from '../harness/failure-forwarder.ts'
import { startGateway } from '../harness/gateway.ts'
import { startLoad } from '../harness/load.ts'
import { testFolder } from '../harness/product.ts'
import { startUpstream } from '../harness/upstream.ts'
import { untilTrue } from '../harness/wait.ts'

// Not part of `make e2e`, for npm has no PgBouncer: `make e2e-deps` installs it, `make e2e-poolers` runs this.

const PROGRAM = '/usr/sbin/pgbouncer'
const PORT = 6432

/** The lines that docs/operating.md tells operators to put into pgbouncer.ini. */
async function documentedSettings(): Promise<string> {
  const page = await readFile(new URL('../../../docs/operating.md', import.meta.url), 'utf8')
  const block = /```ini\n(pool_mode[^`]+)```/.exec(page)?.[1]
  if (block === undefined) throw new Error('docs/operating.md has no settings of PgBouncer')
  return block
}

interface Pooler {
  readonly url: string
  start(): Promise<void>
  kill(): Promise<void>
}

/** A real PgBouncer in front of a database. */
async function poolerOf(t: Test, databaseUrl: string, settings: string): Promise<Pooler> {
  const folder = await testFolder(t)
  await chmod(folder, 0o755)
  const target = new URL(databaseUrl)
  // A loopback address of our own: nobody else has the port there.
  const random = (): number => 1 + Math.floor(Math.random() * 250)
  const host = `127.${random()}.${random()}.${random()}`
  const file = join(folder, 'pgbouncer.ini')
  await writeFile(
    file,
    `[databases]
* = host=${target.hostname} port=${target.port} user=${target.username}
[pgbouncer]
listen_addr = ${host}
listen_port = ${PORT}
unix_socket_dir =
auth_type = any
${settings}
`,
  )
  let child: ChildProcess | null = null
  const kill = async (): Promise<void> => {
    const ending = child
    child = null
    if (ending === null || ending.exitCode !== null) return
    const closed = once(ending, 'close')
    ending.kill('SIGKILL')
    await closed
  }
  t.teardown(kill)
  const start = async (): Promise<void> => {
    // It refuses to be root.
    const user = process.getuid?.() === 0 ? ['-u', 'nobody'] : []
    const started = (child = spawn(PROGRAM, [...user, file], { stdio: 'ignore' }))
    let failure: Error | null = null
    started.once('error', (error) => (failure = error))
    await untilTrue('PgBouncer listens', async () => {
      if (failure !== null || started.exitCode !== null) {
        throw new Error(`${PROGRAM} does not run: "make e2e-deps" installs it`, { cause: failure })
      }
      const socket = connect(PORT, host)
      const isThere = await Promise.race([
        once(socket, 'connect').then(() => true),
        once(socket, 'close').then(() => false),
      ]).catch(() => false)
      socket.destroy()
      return isThere
    })
  }
  const url = new URL(databaseUrl)
  url.host = `${host}:${PORT}`
  return { url: url.href, start, kill }
}

const routes = (upstream: string): readonly unknown[] => [
  { name: 'files', kind: 'generic', path: '/files/', upstream },
]

t.test('behind PgBouncer as docs/operating.md has it: all is stored, also when it is killed', async (t) => {
  const db = await testDatabase(t)
  const forwarder = await startForwarder(t, db)
  await forwarder.open()
  const pooler = await poolerOf(t, forwarder.url, await documentedSettings())
  await pooler.start()
  const upstream = await startUpstream(t)
  const accessLog = { flushIntervalMs: 50, copyTimeoutMs: 1000, backoffMaxMs: 200, spillAfterMs: 100 }
  const config = { routes: routes(upstream.url), accessLog }
  const gateway = await startGateway(t, { databaseUrl: pooler.url, config })
  const key = await gateway.mint({ tenant: 'acme', scopes: ['files:read'] })
  const load = startLoad({
    url: () => `${gateway.proxyUrl}/files/ok`,
    headers: { authorization: `Bearer ${key}` },
    concurrency: 4,
    perSecond: 300,
  })
  t.teardown(() => load.stop())
  for (let i = 0; i < 3; i++) {
    const { stored } = (await gateway.overview()).accessLog
    await untilTrue(
      'entries are stored',
      async () => (await gateway.overview()).accessLog.stored > stored + 50,
    )
    await pooler.kill()
    await untilTrue('entries go to disk', async () => (await gateway.overview()).accessLog.spilled > 50)
    await pooler.start()
  }
  load.stop()
  const { answered, byStatus } = await load.done
  t.strictSame([...byStatus], [[200, answered]], 'clients notice nothing')
  await assertAllStored(t, db, [gateway], answered)
  t.match(await gateway.must('logs', '--tenant', 'acme', '--limit', '1'), '/files/ok')
  t.equal(await gateway.stop(), 0)
  t.equal((await readAudit(gateway, '--deep')).isComplete, true)
})
