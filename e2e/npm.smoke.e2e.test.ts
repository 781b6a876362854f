import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { assertAllStored, waitForEntries } from './harness/accounting.ts'
import { testDatabase } from './harness/database.ts'
import { startGateway } from './harness/gateway.ts'
import { npmClient } from './harness/npm.ts'
import { startVerdaccio } from './harness/verdaccio.ts'

interface LockFile {
  readonly packages: Readonly<Record<string, { readonly version?: string; readonly resolved?: string }>>
}

t.test('npm publishes to and installs a dependency tree from a real registry', async (t) => {
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
  const registry = `${gateway.proxyUrl}/npm/`

  const publisherKey = await gateway.mint({ tenant: 'release', scopes: ['npm:*'] })
  const publisher = await npmClient(t, registry, publisherKey)
  const packages = [
    { name: '@acme/base', version: '1.2.3' },
    { name: 'acme-tool', version: '2.0.0', dependencies: { '@acme/base': '^1.0.0' } },
  ]
  for (const manifest of packages) {
    const { code, stderr } = await publisher.run(
      await publisher.write(manifest),
      'publish',
      '--access=public',
      '--loglevel=error',
    )
    t.equal(code, 0, `${manifest.name} is published through the gateway`, { stderr })
  }

  const readerKey = await gateway.mint({ tenant: 'acme', scopes: ['npm:read'] })
  const reader = await npmClient(t, registry, readerKey)
  const app = await reader.write({ name: 'app', version: '1.0.0', dependencies: { 'acme-tool': '^2.0.0' } })
  const installed = await reader.run(app, 'install', '--no-audit')
  t.equal(installed.code, 0, 'npm install succeeds', { stderr: installed.stderr })
  t.match(installed.stdout, /added 2 packages/)

  const lock = JSON.parse(await readFile(join(app, 'package-lock.json'), 'utf8')) as LockFile
  for (const { name, version } of packages) {
    const locked = lock.packages[`node_modules/${name}`]
    t.equal(locked?.version, version)
    t.ok(locked?.resolved?.startsWith(registry), `the tarball of ${name} came through the gateway`, {
      locked,
    })
    const module = await readFile(join(app, 'node_modules', name, 'index.js'), 'utf8')
    t.match(module, name, 'the published content arrived')
  }

  // A packument and a tarball for each package, and nothing else: npm asked for nothing twice.
  await waitForEntries(db, 4, { where: `tenant = 'acme'` })
  const rows = await db.query(
    `SELECT method, path, status, outcome, bytes_sent > 0 AS has_bytes FROM access_log
     WHERE tenant = 'acme' ORDER BY path`,
  )
  const got = { method: 'GET', status: 200, outcome: 'forwarded', has_bytes: true }
  t.strictSame(rows, [
    { ...got, path: '/npm/@acme%2fbase' },
    { ...got, path: '/npm/@acme/base/-/base-1.2.3.tgz' },
    { ...got, path: '/npm/acme-tool' },
    { ...got, path: '/npm/acme-tool/-/acme-tool-2.0.0.tgz' },
  ])
  const { accepted } = (await gateway.overview()).accessLog
  await assertAllStored(t, db, [gateway], accepted)
  t.equal(await gateway.stop(), 0, 'the gateway stops cleanly')
})
