import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { runCommand } from './harness/child.ts'
import { request } from './harness/client.ts'
import { testDatabase } from './harness/database.ts'
import { startForwarder } from './harness/failure-forwarder.ts'
import { startGateway, type TestGateway } from './harness/gateway.ts'
import { MAIN, productNode } from './harness/product.ts'
import { startUpstream } from './harness/upstream.ts'
import { untilTrue } from './harness/wait.ts'

const HOST = 'images.example.com'

/** Status of a pull with a token, as of a client that knows the gateway by its public name. */
async function pull(gateway: TestGateway, token: string): Promise<number> {
  const headers = { host: HOST, authorization: `Bearer ${token}` }
  return (await request(`${gateway.proxyUrl}/v2/images/app/manifests/1`, { headers })).status
}

/** A token, as `docker login` and a pull get one. */
async function login(gateway: TestGateway, key: string): Promise<string> {
  const credentials = Buffer.from(`me:${key}`).toString('base64')
  const query = `service=${HOST}&scope=repository:images/app:pull`
  const headers = { host: HOST, authorization: `Basic ${credentials}` }
  const { status, body } = await request(`${gateway.proxyUrl}/v2/token?${query}`, { headers })
  if (status !== 200) throw new Error(`no token: ${status} ${body.toString()}`)
  return (JSON.parse(body.toString()) as { token: string }).token
}

t.test('tokens go on without the database, and a restored one has signers of its own', async (t) => {
  const db = await testDatabase(t)
  const forwarder = await startForwarder(t, db)
  await forwarder.open()
  const upstream = await startUpstream(t, {
    '/v2/app/manifests/1': (_, res) => void res.writeHead(200).end('{}'),
  })
  const config = {
    publicUrl: `http://${HOST}`,
    routes: [{ name: 'images', kind: 'oci', path: '/v2/images/', upstream: `${upstream.url}v2/` }],
    accessLog: { flushIntervalMs: 100 },
  }
  const first = await startGateway(t, { databaseUrl: forwarder.url, config })
  const key = await first.mint({ tenant: 'acme', scopes: ['images:*'], flags: ['--create-tenant'] })
  const token = await login(first, key)
  t.equal(await pull(first, token), 200)
  await first.must('backup', 'all.tar')
  const backup = join(first.cwd, 'all.tar')
  const [signer] = await db.query<{ secret: string }>('SELECT secret FROM signing_keys')
  const secret = signer?.secret ?? ''
  t.not(secret, '')
  t.notOk((await readFile(backup, 'latin1')).includes(secret), 'no signer is in a backup')

  await t.test('cut off from the database, and started anew without it', async (t) => {
    await untilTrue('the snapshot on disk has the key', async () => {
      const kept = await readFile(join(first.cwd, '.waybill', 'directory', 'snapshot'), 'utf8').catch(
        () => '',
      )
      return kept.split('\n').some((line) => line.startsWith('k'))
    })
    await forwarder.close()
    t.equal(await pull(first, token), 200, 'a token of before')
    t.equal(await pull(first, await login(first, key)), 200, 'and one of now')
    await first.kill()
    const again = await startGateway(t, {
      databaseUrl: forwarder.url,
      config,
      cwd: first.cwd,
      shallNotWait: true,
    })
    await again.waitListening()
    await untilTrue('it serves by the snapshot on disk', async () => (await pull(again, token)) === 200)
    const fresh = await login(again, key)
    t.equal(await pull(again, fresh), 200)
    await forwarder.open()
    await untilTrue('it has its database', async () => {
      return (
        (await db.query(`SELECT FROM access_log WHERE instance = $1`, [(await again.overview()).instance]))
          .length > 0
      )
    })
    t.equal(await pull(again, token), 200, 'and knows its tokens')
    t.equal(await pull(again, fresh), 200)
  })

  await t.test('restored into another database', async (t) => {
    const other = await testDatabase(t)
    const env = { DATABASE_URL: other.url }
    const restored = await runCommand(productNode(), [MAIN, 'restore', backup], {
      cwd: first.cwd,
      env,
      timeoutMs: 120_000,
    })
    t.equal(restored.code, 0, restored.stderr)
    const next = await startGateway(t, { databaseUrl: other.url, config })
    t.equal(await pull(next, token), 401, 'a token of before is of a signer that is not there')
    const fresh = await login(next, key)
    t.equal(await pull(next, fresh), 200, 'its key gets another one')
    await untilTrue('the entry says why', async () => {
      const rows = await other.query<{ reason: string }>(
        `SELECT reason FROM access_log WHERE reason LIKE 'token%'`,
      )
      return rows.length === 1 && rows[0]?.reason === 'token_unknown_key'
    })
  })
})
