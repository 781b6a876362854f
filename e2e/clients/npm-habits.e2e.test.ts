import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { waitForEntries } from '../harness/accounting.ts'
import type { Machine } from './harness/machine.ts'
import { machineFor, NPM_CLIENTS } from './harness/npm-clients.ts'
import { npmScene } from './harness/npm-scene.ts'
import { packument } from './harness/npm-packages.ts'
import { keyId } from './harness/trial.ts'
import { who } from './harness/who.ts'

const [NPM] = NPM_CLIENTS
if (NPM === undefined) throw new Error('npm is not among the clients')
const npm = NPM

t.test('a lock file made before the gateway leads through it, with replace-registry-host', async (t) => {
  // npm replaces the host alone: it asks below the route for the whole path that the registry had.
  const { gateway, guard, packages } = await npmScene(t)
  const key = await gateway.mint({ tenant: 'lock', scopes: ['npm:read'], flags: ['--create-tenant'] })
  const dependencies = { 'acme-tool': '^2.0.0' }
  const machine = await machineFor(t, gateway, npm, { key, dependencies })
  const lock = (origin: string): string => {
    const entries = ['acme-tool', '@acme/base'].map((name) => {
      const packed = packages.get(name)
      if (packed === undefined) throw new Error(`${name} is not in the registry`)
      const { versions } = packument(packed, origin) as {
        versions: Record<string, { dist: { tarball: string } }>
      }
      const resolved = versions[packed.version]?.dist.tarball
      const { version, integrity } = packed
      return [`node_modules/${name}`, { version, resolved, integrity, dependencies: packed.dependencies }]
    })
    const root = { name: 'app', version: '1.0.0', dependencies }
    const all = { '': root, ...Object.fromEntries(entries) }
    return JSON.stringify({
      name: 'app',
      version: '1.0.0',
      lockfileVersion: 3,
      requires: true,
      packages: all,
    })
  }
  const before = lock(guard.url.slice(0, -1))
  await machine.write('package-lock.json', before)
  const host = new URL(guard.url).hostname
  const done = await machine.run('npm', ['ci', '--no-audit', '--no-fund', `--replace-registry-host=${host}`])
  t.equal(done.code, 0, 'it installs', done)
  t.strictSame(guard.around, [], 'nothing went around the gateway')
  t.match(await who(gateway, 'pkg:npm/acme-tool@2.0.0', 'lock'), { download: 1 })
  t.match(await who(gateway, 'pkg:npm/%40acme/base@1.2.3', 'lock'), { download: 1 })
  t.equal(
    await readFile(join(machine.project, 'package-lock.json'), 'utf8'),
    before,
    'the lock file is as it was',
  )
})

t.test('npm with a user name and password, and a key that is revoked in a long install', async (t) => {
  const { db, gateway, guard } = await npmScene(t)
  const key = await gateway.mint({ tenant: 'acme', scopes: ['npm:read'], flags: ['--create-tenant'] })
  const machine = await machineFor(t, gateway, npm, { key, dependencies: { 'acme-first': '1.0.0' } })
  await useBasic(machine, key)
  const view = await machine.run('npm', ['view', 'acme-tool', 'dist.tarball'])
  t.match(
    view.stdout,
    `${gateway.proxyUrl}/npm/acme-tool/-/acme-tool-2.0.0.tgz`,
    'documents name the gateway',
  )

  let release = (): void => {}
  const free = new Promise<void>((resolve) => (release = resolve))
  // npm learns of the third package from this document.
  const held = guard.strike('/acme-second', { afterBytes: 0, ending: free })
  const running = machine.run('npm', npm.install)
  await Promise.race([held, running])
  await gateway.must('keys', 'revoke', keyId(key), '--wait')
  release()
  const ended = await running
  t.not(ended.code, 0, 'the install fails')
  await waitForEntries(db, 1, { where: "path LIKE '%acme-second' AND status IS NOT NULL" })
  const third = await db.query("SELECT 1 FROM access_log WHERE path LIKE '%acme-third%' AND status = 200")
  t.strictSame(third, [], 'nothing was served after the key was revoked')
  t.strictSame(guard.around, [])
})

/** Replaces the token by user name and password, as an administrator of npm's old kind would have it. */
async function useBasic(machine: Machine, key: string): Promise<void> {
  const file = machine.placeOf('~/.npmrc')
  const text = await readFile(file, 'utf8')
  const basic = Buffer.from(`waybill:${key}`).toString('base64')
  await writeFile(file, text.replace(/_authToken=.*/, `_auth=${basic}`))
}
