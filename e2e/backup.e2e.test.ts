import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { runCommand } from './harness/child.ts'
import { MAIN, productNode, testFolder } from './harness/product.ts'
import { embeddedScene, loadOf } from './harness/scene.ts'
import { testDatabase } from './harness/database.ts'
import { startGateway } from './harness/gateway.ts'
import { untilTrue } from './harness/wait.ts'
import { assertBalanced } from './harness/accounting.ts'

interface Audit {
  readonly total: { readonly stored: number }
  readonly instances: readonly { readonly gaps: readonly { readonly kind: string }[] }[]
}

t.test('G11: the embedded database, backed up under load, is restored elsewhere, keys and all', async (t) => {
  const { gateway, key, upstream } = await embeddedScene(t)
  const load = loadOf(t, gateway, key, 200)
  const stored = async (): Promise<number> => (await gateway.overview()).accessLog.stored
  await untilTrue('entries are stored', async () => (await stored()) > 300)
  await gateway.must('backup', 'live.tar')
  load.stop()
  const { answered } = await load.done
  await untilTrue('all of it is stored', async () => (await stored()) >= answered)
  t.equal(await gateway.stop(), 0)
  // With the gateway stopped the command starts the embedded server itself.
  await gateway.must('backup', 'stopped.tar')
  t.equal((await stat(join(gateway.cwd, 'stopped.tar'))).mode & 0o777, 0o600)
  t.notMatch(
    await readFile(join(gateway.cwd, 'stopped.tar'), 'latin1'),
    key,
    'no key is in it, only its digest',
  )
  const audited = JSON.parse((await gateway.cli('audit', '--deep', '--json')).stdout) as Audit

  await t.test('into another embedded one, made for it', async (t) => {
    const cwd = await testFolder(t)
    const run = (...args: string[]) => runCommand(productNode(), [MAIN, ...args], { cwd, timeoutMs: 60_000 })
    const restored = await run('restore', join(gateway.cwd, 'stopped.tar'))
    t.equal(restored.code, 0, restored.stderr)
    t.notMatch(restored.stderr, 'row level security is not in force')
    const { stdout } = await run('audit', '--deep', '--json')
    const { instances, total } = JSON.parse(stdout) as Audit
    t.ok(total.stored >= answered)
    t.strictSame(instances, audited.instances, 'the audit gives the same figures')
    t.strictSame(total, audited.total)
    const routes = [{ name: 'files', kind: 'generic', path: '/files/', upstream: upstream.url }]
    const next = await startGateway(t, { cwd, config: { routes } })
    const response = await fetch(`${next.proxyUrl}/files/ok`, {
      headers: { authorization: `Bearer ${key}`, connection: 'close' },
    })
    t.equal(response.status, 200, 'keys go on working')
    await response.text()
    await untilTrue('its entries are stored', async () => (await next.overview()).accessLog.stored === 1)
    await assertBalanced(t, next)
  })

  await t.test('that of the live gateway into a database of a server', async (t) => {
    const db = await testDatabase(t)
    const env = { DATABASE_URL: db.url }
    const run = (...args: string[]) =>
      runCommand(productNode(), [MAIN, ...args], { cwd: gateway.cwd, env, timeoutMs: 60_000 })
    const restored = await run('restore', 'live.tar')
    t.equal(restored.code, 0, restored.stderr)
    const { stdout } = await run('audit', '--deep', '--json')
    const { total, instances } = JSON.parse(stdout) as Audit
    t.ok(total.stored > 300 && total.stored < audited.total.stored)
    // What the gateway still had in memory is not there, and is no hole.
    const holes = instances.flatMap(({ gaps }) => gaps).filter(({ kind }) => kind !== 'died')
    t.strictSame(holes, [])
  })

  await t.test('by psql or any other COPY, from the files in it', async (t) => {
    const folder = await testFolder(t)
    const tar = await runCommand('tar', ['-xf', join(gateway.cwd, 'stopped.tar')], { cwd: folder })
    t.equal(tar.code, 0, tar.stderr)
    const sums = await runCommand('sha256sum', ['-c', '--quiet', 'SHA256SUMS'], { cwd: folder })
    t.equal(sums.code, 0, sums.stdout)
    t.match(await readFile(join(folder, 'data/tenants/000001.copy'), 'utf8'), /^acme\tactive\t/m)
  })
})
