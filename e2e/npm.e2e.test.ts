import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { waitForEntries } from './harness/accounting.ts'
import { testDatabase } from './harness/database.ts'
import { startGateway } from './harness/gateway.ts'
import { npmClient } from './harness/npm.ts'
import { startVerdaccio } from './harness/verdaccio.ts'

/** A locked dependency to be audited. */
const LEFT = { version: '1.0.0', resolved: 'http://127.0.0.1/left-1.0.0.tgz' }

t.test('npm is told clearly why it is refused, and is refused no more than that', async (t) => {
  const db = await testDatabase(t)
  const verdaccio = await startVerdaccio(t)
  const gateway = await startGateway(t, {
    databaseUrl: db.url,
    config: {
      routes: [{ name: 'npm', kind: 'npm', path: '/npm/', upstream: verdaccio.url, holdMs: 0 }],
      accessLog: { flushIntervalMs: 100 },
    },
  })
  await verdaccio.setPublicUrl(gateway.proxyUrl)
  const registry = `${gateway.proxyUrl}/npm/`
  const key = await gateway.mint({ tenant: 'acme', scopes: ['npm:read'] })
  const reader = await npmClient(t, registry, key)

  await t.test('a key that does not exist', async (t) => {
    const stranger = await npmClient(t, registry, `${key.slice(0, -1)}${key.endsWith('0') ? '1' : '0'}`)
    const { code, stderr } = await stranger.run(stranger.folder, 'view', 'anything')
    t.not(code, 0)
    t.match(stderr, /E401/)
    t.match(stderr, /The key that was sent is not valid/)
    t.notMatch(stderr, key.slice(16), 'npm is told nothing of keys')
  })

  await t.test('no key', async (t) => {
    const nobody = await npmClient(t, registry, null)
    const { code, stderr } = await nobody.run(nobody.folder, 'view', 'anything')
    t.not(code, 0)
    t.match(stderr, /E401/)
    t.match(stderr, /This needs a key, and none was sent\./)
  })

  await t.test('a key that may not publish', async (t) => {
    const folder = await reader.write({ name: 'forbidden-fruit', version: '1.0.0' })
    const { code, stderr } = await reader.run(folder, 'publish')
    t.not(code, 0)
    t.match(stderr, /E403/)
    t.match(stderr, /403 This needs the scope npm:write, which the key [0-9a-z]{12} does not have\./)
    const seen = await reader.run(folder, 'view', 'forbidden-fruit')
    t.match(seen.stderr, /E404/, 'nothing was published')
  })

  await t.test('an audit, which is a POST that changes nothing, needs no more than reading', async (t) => {
    const folder = await reader.write({ name: 'audited', version: '1.0.0' })
    const lock = {
      name: 'audited',
      version: '1.0.0',
      lockfileVersion: 3,
      packages: { '': {}, 'node_modules/left': LEFT },
    }
    await writeFile(join(folder, 'package-lock.json'), JSON.stringify(lock))
    await reader.run(folder, 'audit')
    const audits = `method = 'POST' AND path LIKE '%/-/npm/v1/security/%'`
    await waitForEntries(db, 1, { where: audits })
    const outcomes = await db.query(`SELECT DISTINCT outcome FROM access_log WHERE ${audits}`)
    t.strictSame(outcomes, [{ outcome: 'forwarded' }], 'whatever this registry has to say to it')
  })

  await t.test('a rate limit', async (t) => {
    await gateway.must('tenants', 'set', 'acme', '--rate', '0.01:1')
    await waitForEntries(db, 1, { where: `status = 404 AND tenant = 'acme'` })
    const answers = []
    // The first of the burst may still be there, never both.
    for (let i = 0; i < 2; i++) answers.push(await reader.run(reader.folder, 'view', 'forbidden-fruit'))
    t.match(answers[1]?.stderr, /E429/)
    t.match(answers[1]?.stderr, /The rate limit of the tenant is used up\. Retry in \d+ s\./)
  })

  await waitForEntries(db, 1, { where: `status = 429` })
  const rows = await db.query(
    `SELECT status, reason, tenant, key_id IS NOT NULL AS has_key, count(*) > 0 AS some
     FROM access_log WHERE status IN (401, 403, 429) GROUP BY 1, 2, 3, 4 ORDER BY 1, 2`,
  )
  t.strictSame(rows, [
    { status: 401, reason: 'malformed_key', tenant: null, has_key: false, some: true },
    { status: 401, reason: 'missing_key', tenant: null, has_key: false, some: true },
    { status: 403, reason: 'scope', tenant: 'acme', has_key: true, some: true },
    { status: 429, reason: 'tenant_rate', tenant: 'acme', has_key: true, some: true },
  ])
})
