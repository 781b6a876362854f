import { createReadStream, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import t, { type Test } from 'tap'
import { readAudit } from '../harness/audit.ts'
import { assertAllStored } from '../harness/accounting.ts'
import { runCommand } from '../harness/child.ts'
import { testDatabase } from '../harness/database.ts'
import { startGateway, type TestGateway } from '../harness/gateway.ts'
import { testFolder } from '../harness/product.ts'
import { directScene } from '../harness/scene.ts'
import { startUpstream } from '../harness/upstream.ts'
import { untilTrue } from '../harness/wait.ts'

/** Long lines: a configuration that is wrong in many places is told of whole. */
const BAD_CONFIG = Array.from({ length: 60 }, (_, i) => `${'x'.repeat(90)}${i}: 1`).join('\n')
const REQUESTS = 200

/** Fills whatever lies between the gateway and its reader, and the gateway's own backlog. */
async function flood(t: Test, gateway: TestGateway): Promise<void> {
  writeFileSync(gateway.configFile, BAD_CONFIG)
  await untilTrue('lines are dropped', async () => {
    for (let i = 0; i < 10; i++) gateway.child.kill('SIGHUP')
    return (await gateway.metrics()).sum('waybill_log_lines_dropped_total') > 0
  })
  t.pass('nobody reads, and the gateway answers')
}

async function serveThroughIt(
  t: Test,
  gateway: TestGateway,
  key: string,
  resume: (() => Promise<void>) | null,
): Promise<void> {
  await flood(t, gateway)
  const statuses = new Set<number>()
  for (let i = 0; i < REQUESTS; i++) {
    const response = await fetch(`${gateway.proxyUrl}/files/ok`, {
      headers: { authorization: `Bearer ${key}`, connection: 'close' },
      signal: AbortSignal.timeout(5000),
    })
    await response.arrayBuffer()
    statuses.add(response.status)
  }
  t.strictSame([...statuses], [200], 'every request is answered')
  t.equal((await fetch(`${gateway.adminUrl}/healthz`)).status, 200)
  await resume?.()
  const before = performance.now()
  // Not by stop(), which waits for stderr's end: nobody reads it.
  const gone = new Promise((resolve) => gateway.child.once('exit', resolve))
  gateway.child.kill('SIGTERM')
  t.equal(await gone, 0, 'SIGTERM ends it in order')
  t.ok(performance.now() - before < 10_000, 'and in time')
}

for (const workers of [1, 2]) {
  t.test(
    `F1: a reader of stderr that stops does not stop ${workers} worker(s); accounts close`,
    async (t) => {
      const config = { workers, log: { maxBacklogBytes: '64KiB' } }
      const { db, gateway, key } = await directScene(t, { config })
      gateway.child.stderr?.pause()
      await serveThroughIt(t, gateway, key, null)
      gateway.child.stderr?.resume()
      await assertAllStored(t, db, [], REQUESTS)
    },
  )
}

t.test('F1: the same through a named pipe; read again, it tells what was dropped', async (t) => {
  const db = await testDatabase(t)
  const upstream = await startUpstream(t)
  const cwd = await testFolder(t)
  const pipe = join(cwd, 'stderr')
  await runCommand('mkfifo', [pipe], { cwd })
  const gateway = await startGateway(t, {
    databaseUrl: db.url,
    cwd,
    wrapper: ['sh', '-c', `exec "$0" "$@" 2>'${pipe}'`],
    shallNotWait: true,
    config: {
      log: { maxBacklogBytes: '64KiB' },
      routes: [{ name: 'files', kind: 'generic', path: '/files/', upstream: upstream.url }],
    },
  })
  const stream = createReadStream(pipe)
  createInterface({ input: stream }).on('line', (line) => gateway.log.push(JSON.parse(line)))
  await gateway.waitReady()
  const key = await gateway.mint({ tenant: 'acme', scopes: ['files:read'] })
  stream.pause()
  const from = gateway.log.length
  await serveThroughIt(t, gateway, key, async () => {
    stream.resume()
    const line = await gateway.waitForLog('what was dropped', ({ dropped }) => dropped !== undefined, {
      from,
    })
    t.match(line, { level: 'warn', msg: /^log lines were dropped/ })
  })
  await assertAllStored(t, db, [], REQUESTS)
})

t.test('F1: a reader of stderr that has gone does not end the gateway', async (t) => {
  const { gateway, key } = await directScene(t)
  gateway.child.stderr?.destroy()
  for (let i = 0; i < 20; i++) gateway.child.kill('SIGHUP')
  const response = await fetch(`${gateway.proxyUrl}/files/ok`, {
    headers: { authorization: `Bearer ${key}` },
  })
  t.equal(response.status, 200)
  await untilTrue('the entry is stored', async () => (await gateway.overview()).accessLog.stored === 1)
  t.equal((await readAudit(gateway)).total.accepted, 1)
})
