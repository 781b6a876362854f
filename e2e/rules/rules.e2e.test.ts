import { join } from 'node:path'
import { readFile, rm } from 'node:fs/promises'
import t from 'tap'
import { waitForEntries } from '../harness/accounting.ts'
import { readAudit } from '../harness/audit.ts'
import { request } from '../harness/client.ts'
import { testDatabase } from '../harness/database.ts'
import { startForwarder } from '../harness/failure-forwarder.ts'
import { startGateway, type TestGateway } from '../harness/gateway.ts'
import { npmClient } from '../harness/npm.ts'
import { startUpstream, type UpstreamHandler } from '../harness/upstream.ts'
import { startVerdaccio } from '../harness/verdaccio.ts'
import { untilTrue } from '../harness/wait.ts'

const TARBALL = '/npm/left-pad/-/left-pad-1.3.0.tgz'
const OTHER_TARBALL = '/npm/left-pad/-/left-pad-1.2.0.tgz'
const WHEEL = '/pypi/packages/aa/bb/flask_login-0.6.3-py3-none-any.whl'
const file: UpstreamHandler = (_, res) => void res.end('a file\n')
const FILES = {
  '/left-pad/-/left-pad-1.3.0.tgz': file,
  '/left-pad/-/left-pad-1.2.0.tgz': file,
  '/packages/aa/bb/flask_login-0.6.3-py3-none-any.whl': file,
}

t.test(
  'a package is blocked while clients run, also without the database, until it is unblocked',
  async (t) => {
    const [db, upstream] = [await testDatabase(t), await startUpstream(t, FILES)]
    const forwarder = await startForwarder(t, db)
    await forwarder.open()
    const routes = ['npm', 'pypi'].map((name) => ({
      name,
      kind: name,
      path: `/${name}/`,
      upstream: upstream.url,
    }))
    const config = { routes, accessLog: { flushIntervalMs: 100 } }
    const gateway = await startGateway(t, { databaseUrl: forwarder.url, config })
    const acme = await gateway.mint({ tenant: 'acme' })
    const beta = await gateway.mint({ tenant: 'beta' })
    const ask = (path: string, key = acme, on: TestGateway = gateway) =>
      request(`${on.proxyUrl}${path}`, { key })
    let requests = 0
    const statuses = async (on: TestGateway = gateway): Promise<number[]> => {
      const asked = [
        ask(TARBALL, acme, on),
        ask(TARBALL, beta, on),
        ask(OTHER_TARBALL, acme, on),
        ask(WHEEL, acme, on),
      ]
      requests += asked.length
      return (await Promise.all(asked)).map(({ status }) => status)
    }
    t.same(await statuses(), [200, 200, 200, 200])
    await waitForEntries(db, 4)

    // From here on each change of a rule is noted on disk, whenever the next snapshot is written.
    const keys = async (): Promise<number> => {
      const kept = await readFile(join(gateway.cwd, '.waybill', 'directory', 'snapshot'), 'utf8').catch(
        () => '',
      )
      return kept.split('\n').filter((line) => line.startsWith('k')).length
    }
    await untilTrue('the keys are on disk', async () => (await keys()) === 2, { timeoutMs: 60_000 })
    const blocked = await gateway.cli(
      'block',
      'pkg:npm/left-pad@1.3.0',
      '--reason',
      'It steals tokens',
      '--reference',
      'GHSA-1',
      '--tenant',
      'acme',
    )
    t.equal(blocked.code, 0, blocked.stderr)
    t.match(blocked.stdout, /left-pad[\s\S]*acme[\s\S]*download/, 'who has it already')
    t.match(blocked.stderr, /confirmed by every gateway process/)
    t.same(await statuses(), [403, 200, 200, 200], 'another tenant, and another version, are not concerned')
    await gateway.must('block', 'pkg:pypi/Flask_Login', '--reason', 'typosquatting')
    t.same(await statuses(), [403, 200, 200, 403])
    const answer = await ask(TARBALL)
    requests++
    t.match(answer.body.toString(), 'Blocked: npm/left-pad@1.3.0: It steals tokens (GHSA-1). Rule r')
    const tested = await gateway.cli('rules', 'test', 'pkg:npm/left-pad@1.3.0', '--tenant', 'acme')
    t.match([tested.code, tested.stdout], [1, /denied by rule r[0-9a-f]{16}: It steals tokens/])
    t.equal((await gateway.cli('rules', 'test', 'pkg:npm/left-pad@1.3.0', '--tenant', 'beta')).code, 0)

    await forwarder.close()
    t.same(await statuses(), [403, 200, 200, 403], 'the last rules decide')
    t.equal(await gateway.stop(), 0)
    const again = await startGateway(t, {
      databaseUrl: forwarder.url,
      config,
      cwd: gateway.cwd,
      shallNotWait: true,
    })
    await again.waitListening()
    await untilTrue('the snapshot on disk decides', async () => {
      requests++
      return (await ask(OTHER_TARBALL, acme, again)).status === 200
    })
    t.same(await statuses(again), [403, 200, 200, 403], 'also after a start without the database')

    await forwarder.open()
    await again.waitReady()
    const beganMs = performance.now()
    await again.must('unblock', 'pkg:npm/left-pad@1.3.0')
    await again.must('unblock', 'pkg:pypi/flask-login')
    t.same(await statuses(again), [200, 200, 200, 200])
    t.comment(`two unblocks, confirmed, took ${Math.round(performance.now() - beganMs)} ms`)
    t.equal(
      (await again.cli('unblock', 'pkg:npm/left-pad@1.3.0')).code,
      1,
      'there is nothing to unblock any more',
    )

    await waitForEntries(db, requests)
    const ruled = await db.query(
      `SELECT DISTINCT outcome, reason, status, rule_action, rule_id IS NULL AS is_free FROM access_log ORDER BY outcome`,
    )
    t.same(ruled, [
      { outcome: 'blocked', reason: 'rule', status: 403, rule_action: 'deny', is_free: false },
      { outcome: 'forwarded', reason: null, status: 200, rule_action: 'none', is_free: true },
    ])
    t.equal(await again.stop(), 0)
    const audit = await readAudit(again, '--deep')
    t.same(audit.gaps, [])
    t.equal(audit.total.stored, requests)
  },
)

t.test('npm says why it may not install a blocked version, also from a lock file', async (t) => {
  const db = await testDatabase(t)
  const verdaccio = await startVerdaccio(t)
  const gateway = await startGateway(t, {
    databaseUrl: db.url,
    config: {
      routes: [{ name: 'npm', kind: 'npm', path: '/npm/', upstream: verdaccio.url }],
      accessLog: { flushIntervalMs: 100 },
    },
  })
  await verdaccio.setPublicUrl(gateway.proxyUrl)
  const key = await gateway.mint({ tenant: 'acme', scopes: ['npm:*'] })
  const client = await npmClient(t, `${gateway.proxyUrl}/npm/`, key)
  const folder = await client.write({ name: 'bad-apple', version: '1.0.0' })
  const published = await client.run(folder, 'publish', '--loglevel=error')
  t.equal(published.code, 0, published.stderr)
  const app = await client.write({ name: 'app', version: '1.0.0', dependencies: { 'bad-apple': '^1.0.0' } })
  const installed = await client.run(app, 'install', '--no-audit')
  t.equal(installed.code, 0, installed.stderr)

  const rule = await gateway.must(
    'rules',
    'add',
    'pkg:npm/bad-*',
    '--reason',
    'It is rotten',
    '--wait',
    '--json',
  )
  const { id } = JSON.parse(rule) as { id: string }
  await rm(join(app, 'node_modules'), { recursive: true })
  const refused = await client.run(
    app,
    'ci',
    '--no-audit',
    '--prefer-online',
    `--cache=${join(app, 'cache-1')}`,
  )
  t.not(refused.code, 0)
  t.match(refused.stderr, /E403/)
  t.match(refused.stderr, `Blocked: npm/bad-apple@1.0.0: It is rotten. Rule ${id}.`)
  for (const spelling of ['/', '/?x', ';x', '%3Fx', ''])
    t.equal(
      (await request(`${gateway.proxyUrl}/npm/bad-apple/-/bad-apple-1.0.0.tgz${spelling}`, { key })).status,
      403,
      `in no spelling that the registry may take: ${spelling}`,
    )

  await gateway.must('rules', 'remove', id, '--wait')
  const back = await client.run(app, 'ci', '--no-audit', `--cache=${join(app, 'cache-2')}`)
  t.equal(back.code, 0, back.stderr)
})
