import { chmod, readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { request } from './harness/client.ts'
import { testDatabase } from './harness/database.ts'
import { startForwarder } from './harness/failure-forwarder.ts'
import { startGateway, type TestGateway } from './harness/gateway.ts'
import { inventedKey } from './harness/invented-key.ts'
import { startUpstream } from './harness/upstream.ts'
import { until, untilTrue } from './harness/wait.ts'
import { untilServing, workersOf } from './harness/workers.ts'

/** A gateway whose database can be taken away, and another process with its state folder. */
async function setUp(t: Test, changes: object = {}) {
  const [db, upstream] = [await testDatabase(t), await startUpstream(t)]
  const forwarder = await startForwarder(t, db)
  await forwarder.open()
  const routes = [{ name: 'files', kind: 'generic', path: '/files/', upstream: upstream.url }]
  const config = { routes, accessLog: { flushIntervalMs: 100 }, ...changes }
  const first = await startGateway(t, { databaseUrl: forwarder.url, config })
  const again = async (more: object = {}): Promise<TestGateway> => {
    const gateway = await startGateway(t, {
      databaseUrl: forwarder.url,
      config: { ...config, ...more },
      cwd: first.cwd,
      shallNotWait: true,
    })
    await gateway.waitListening()
    return gateway
  }
  return { db, forwarder, first, again }
}

const statusOf = async (gateway: TestGateway, key: string): Promise<number> =>
  (await request(`${gateway.proxyUrl}/files/ok`, { key })).status

const folderOf = (gateway: TestGateway): string => join(gateway.cwd, '.waybill', 'directory')

async function readyz(gateway: TestGateway): Promise<{ status: number; text: string }> {
  const response = await fetch(`${gateway.adminUrl}/readyz`, { headers: { connection: 'close' } })
  return { status: response.status, text: await response.text() }
}

/** Waits until the snapshot on disk has so many keys. */
async function untilKept(gateway: TestGateway, keys: number): Promise<void> {
  await untilTrue('the snapshot is on disk', async () => {
    const text = await readFile(join(folderOf(gateway), 'snapshot'), 'utf8').catch(() => '')
    return text.split('\n').filter((line) => line.startsWith('k')).length === keys
  })
}

t.test('D14: a gateway that starts without its database goes by the snapshot on disk', async (t) => {
  const { db, forwarder, first, again } = await setUp(t)
  const good = await first.mint({ tenant: 'acme', scopes: ['files:read'] })
  const revoked = await first.mint({ tenant: 'acme', scopes: ['files:read'] })
  await untilKept(first, 2)
  await first.must('keys', 'revoke', revoked.slice(3, 15), '--wait')
  t.equal(await statusOf(first, revoked), 401)
  // As soon as it is known: nothing may bring it back.
  await first.kill()
  await forwarder.close()
  const names = await readdir(folderOf(first))
  for (const name of names) {
    const text = await readFile(join(folderOf(first), name), 'utf8')
    t.notOk(text.includes(good) || text.includes(good.slice(16)), `${name} holds no key`)
    t.equal((await stat(join(folderOf(first), name))).mode & 0o777, 0o600)
  }

  const second = await again()
  await untilTrue('ready', async () => (await readyz(second)).status === 200)
  t.match((await readyz(second)).text, /directory_stale.*as of \d+ s ago, read from disk/)
  t.equal(await statusOf(second, good), 200)
  t.equal(await statusOf(second, revoked), 401)
  const invented = await request(`${second.proxyUrl}/files/ok`, { key: inventedKey(7) })
  t.match([invented.status, invented.headers['retry-after']], [503, '1'], "don't know is not no")
  t.equal((await second.metrics()).sum('waybill_directory_recalled'), 1)
  await second.waitForLog('said', ({ msg }) => /going by the snapshot on disk/.test(String(msg)))

  await forwarder.open()
  await untilTrue('the database decides', async () => (await statusOf(second, inventedKey(7))) === 401)
  t.equal((await second.metrics()).sum('waybill_directory_recalled'), 0)
  t.notMatch((await readyz(second)).text, /directory_stale/)
  const entries = async (): Promise<object[]> =>
    db.query(`SELECT status, outcome, reason, tenant FROM access_log WHERE status = 503`)
  const [entry] = await until('the entry', async () => ((await entries()).length > 0 ? entries() : undefined))
  t.match(entry, { outcome: 'not_ready', reason: 'stale_snapshot', tenant: null })
})

t.test('D14: a snapshot that others may write is not used', async (t) => {
  const { forwarder, first, again } = await setUp(t)
  const key = await first.mint({ tenant: 'acme', scopes: ['files:read'] })
  t.equal(await first.stop(), 0)
  await forwarder.close()
  await chmod(join(folderOf(first), 'snapshot'), 0o666)
  const second = await again()
  await second.waitForLog('said', ({ code }) => code === 'permissions')
  t.equal(await statusOf(second, key), 503)
  t.match(await readyz(second), { status: 503, text: /no_snapshot/ })
})

t.test('D14: directory.diskMaxAgeMs: 0 keeps nothing, and removes what there was', async (t) => {
  const { forwarder, first, again } = await setUp(t)
  const key = await first.mint({ tenant: 'acme', scopes: ['files:read'] })
  t.equal(await first.stop(), 0)
  t.ok((await readdir(folderOf(first))).includes('snapshot'))
  await forwarder.close()
  const second = await again({ directory: { diskMaxAgeMs: 0 } })
  t.equal(await statusOf(second, key), 503)
  await untilTrue('removed', async () => !(await readdir(folderOf(first))).includes('snapshot'))
})

t.test(
  'D14: a database that goes away later: an unknown key is 503 after some seconds, a known one served',
  async (t) => {
    const { forwarder, first } = await setUp(t)
    const key = await first.mint({ tenant: 'acme', scopes: ['files:read'] })
    t.equal(await statusOf(first, inventedKey(1)), 401)
    await forwarder.close()
    await untilTrue('unknown is unknown', async () => (await statusOf(first, inventedKey(1))) === 503, {
      timeoutMs: 20_000,
    })
    t.equal(await statusOf(first, key), 200)
    t.match(await readyz(first), { status: 200, text: /directory_stale/ })
  },
)

t.test('D14: of several workers one writes, and one that is replaced in an outage reads', async (t) => {
  const { forwarder, first } = await setUp(t, { workers: 2 })
  await untilServing(first, 2)
  const key = await first.mint({ tenant: 'acme', scopes: ['files:read'] })
  await untilKept(first, 1)
  await forwarder.close()
  for (const { pid } of await workersOf(first)) process.kill(pid, 'SIGKILL')
  await untilServing(first, 2)
  for (let i = 0; i < 10; i++) t.equal(await statusOf(first, key), 200)
  t.match(await readyz(first), { status: 200, text: /directory_stale/ })
})
