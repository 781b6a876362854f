import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { waitForEntries } from '../../harness/accounting.ts'
import { programFor } from '../../harness/program.ts'
import { untilTrue } from '../../harness/wait.ts'
import type { Machine } from './machine.ts'
import { machineFor, NPM_CLIENTS, type NpmClient } from './npm-clients.ts'
import { LARGE_BYTES, npmScene, PART_BYTES, type NpmScene } from './npm-scene.ts'
import { Report } from './report.ts'
import { assertAllCounted, assertSlowed, keyId, said, WRONG_KEY } from './trial.ts'
import { who } from './who.ts'

const CONTACT = 'Ask platform@example.com.'
const LARGE = 'pkg:npm/acme-large@1.0.0'

/** A client on its turn. */
interface Turn {
  readonly scene: NpmScene
  readonly client: NpmClient
  readonly program: string
  readonly report: Report
}

/** The tests of clients of the npm family: each sets up, installs, publishes, is limited, cut off and refused. A file for one or two. */
export function testNpmClients(...names: readonly string[]): void {
  const clients = NPM_CLIENTS.filter(({ name }) => names.includes(name))
  void t.test(`${names.join(', ')}: a registry that names other addresses, behind a gateway`, async (t) => {
    const scene = await npmScene(t, { proxy: { refusalContact: CONTACT } })
    for (const client of clients) await t.test(client.name, (t) => tryClient(t, scene, client))
    for (const client of clients) await t.test(`${client.name} is held`, (t) => isSlowed(t, scene, client))
    t.strictSame(scene.guard.around, [], 'no request went around the gateway')
    await assertAllCounted(t, scene.db, [scene.gateway], [{ seen: scene.guard.passed }])
  })
}

async function tryClient(t: Test, scene: NpmScene, client: NpmClient): Promise<void> {
  const program = await programFor(t, client.name)
  if (program === null) return
  const key = await mint(scene, client, 'npm:*', '--create-tenant')
  const machine = await machineFor(t, scene.gateway, client, { key, dependencies: { 'acme-tool': '^2.0.0' } })
  const version = (await machine.run(program, ['--version'])).stdout.trim().split('\n')[0] ?? ''
  const turn: Turn = { scene, client, program, report: new Report(client.name, version) }
  turn.report.note('setup')
  await t.test('installs', (t) => installs(t, turn, machine))
  await t.test('publishes', (t) => publishes(t, turn, key))
  await t.test('waits where it is limited, or says that it is', (t) => isLimited(t, turn))
  await t.test('goes on after a download that was cut', (t) => isCut(t, turn))
  await t.test('stops in a large download when its key is revoked', (t) => isRevoked(t, turn))
  await t.test('is refused with a wrong key', async (t) => {
    const wrong = await machineFor(t, scene.gateway, client, {
      key: WRONG_KEY,
      dependencies: { 'acme-tool': '^2.0.0' },
    })
    const refused = await wrong.run(program, client.install)
    t.not(refused.code, 0)
    t.match(said(refused), /401|403|invalid|key/i)
  })
}

/** Installs, and all of it is in the log under its name; the lock file has the hashes of the registry and no address of it. */
async function installs(t: Test, { scene, client, program, report }: Turn, machine: Machine): Promise<void> {
  const installed = await machine.run(program, client.install)
  t.equal(installed.code, 0, 'it installs', installed)
  const module = await readFile(join(machine.project, 'node_modules/acme-tool/index.js'), 'utf8')
  t.match(module, 'acme-tool 2.0.0')
  report.note('install')
  report.note('login')
  const lock = await readFile(join(machine.project, client.lockFile), 'utf8')
  t.notMatch(lock, new URL(scene.guard.url).host, 'the lock file names no address of the registry')
  // Yarn 4 hashes the archive that it makes of a file.
  if (client.name !== 'yarn') t.match(lock, scene.packages.get('acme-tool')?.integrity, 'hashes as before')
  const ofTool = await who(scene.gateway, 'pkg:npm/acme-tool@2.0.0', client.name)
  const ofBase = await who(scene.gateway, 'pkg:npm/%40acme/base@1.2.3', client.name)
  t.equal(ofTool['download'], 1)
  t.equal(ofBase['download'], 1)
  if (ofTool['download'] === 1 && ofBase['download'] === 1) report.note('identified')
}

async function publishes(t: Test, turn: Turn, key: string): Promise<void> {
  const { scene, client, program, report } = turn
  const machine = await machineFor(t, scene.gateway, client, { key })
  const name = `acme-by-${client.name}`
  await machine.write('package.json', JSON.stringify({ name, version: '1.0.0', main: 'index.js' }))
  await machine.write('index.js', `module.exports = '${name}'\n`)
  if (client.name === 'yarn') {
    await machine.write('yarn.lock', '')
    t.equal((await machine.run(program, client.install)).code, 0)
  }
  const published = await machine.run(program, client.publish)
  t.equal(published.code, 0, 'it publishes', published)
  t.match(await who(scene.gateway, `pkg:npm/${name}`, client.name), { upload: 1 })
  report.note('publish')
}

/** Four requests at a rate of one a second, of which two may come at once. */
async function isLimited(t: Test, turn: Turn): Promise<void> {
  const { scene, client, program, report } = turn
  const key = await mint(scene, client, 'npm:read', '--rate=1:2')
  const machine = await machineFor(t, scene.gateway, client, { key, dependencies: { 'acme-tool': '^2.0.0' } })
  const done = await machine.run(program, client.persist)
  const where = `tenant = '${client.name}' AND status = 429`
  const refused = await waitForEntries(scene.db, 1, { where })
  if (done.code !== 0) t.match(said(done), /429|rate|too many/i)
  report.note('limited', done.code === 0 ? 'yes' : `gives up after ${refused}`)
}

/** Some of its requests are over the rate at first. */
async function isSlowed(t: Test, scene: NpmScene, client: NpmClient): Promise<void> {
  const program = await programFor(t, client.name)
  if (program === null) return
  await assertSlowed(t, scene, { tenant: client.name, scope: 'npm:read' }, async (key) => {
    const machine = await machineFor(t, scene.gateway, client, {
      key,
      dependencies: { 'acme-tool': '^2.0.0' },
    })
    return machine.run(program, client.install)
  })
}

/** A file whose first transfer breaks off in the middle. */
async function isCut(t: Test, turn: Turn): Promise<void> {
  const { scene, client, program, report } = turn
  // By another tenant than that of what comes after: both look at what was downloaded of the same package.
  const tenant = `${client.name}-cut`
  const key = await scene.gateway.mint({ tenant, scopes: ['npm:read'], flags: ['--create-tenant'] })
  const machine = await machineFor(t, scene.gateway, client, { key, dependencies: { 'acme-large': '1.0.0' } })
  const cut = scene.guard.strike('acme-large-1.0.0.tgz', { afterBytes: PART_BYTES, ending: 'cut' })
  const first = await machine.run(program, client.persist)
  await cut
  report.note('resume', first.code === 0 ? 'starts again' : 'gives up; works when run again')
  if (first.code !== 0) {
    const second = await machine.run(program, client.install)
    t.equal(second.code, 0, 'it installs when it is run again', second)
  }
  const file = await readFile(join(machine.project, 'node_modules/acme-large/ballast.bin'))
  t.equal(file.length, LARGE_BYTES)
  t.match(await who(scene.gateway, LARGE, tenant), { download: 1, partial: 1 })
}

/** A key that is revoked while a file is under way ends that, and everything after it. */
async function isRevoked(t: Test, turn: Turn): Promise<void> {
  const { scene, client, program, report } = turn
  const key = await mint(scene, client, 'npm:read')
  const machine = await machineFor(t, scene.gateway, client, { key, dependencies: { 'acme-large': '1.0.0' } })
  let release = (): void => {}
  const free = new Promise<void>((resolve) => (release = resolve))
  const held = scene.guard.strike('acme-large-1.0.0.tgz', { afterBytes: PART_BYTES, ending: free })
  const running = machine.run(program, client.install)
  await Promise.race([held, running])
  await scene.gateway.must('keys', 'revoke', keyId(key), '--wait')
  const where = `tenant = '${client.name}' AND path LIKE '%acme-large-1.0.0.tgz' AND status = 200`
  await untilTrue('the transfer has ended', async () => (await waitForEntries(scene.db, 0, { where })) > 0)
  release()
  const ended = await running
  t.not(ended.code, 0, 'the install fails')
  const used = await who(scene.gateway, LARGE, client.name)
  t.equal(used['download'], undefined, 'no whole file was sent')
  t.equal(used['partial'], 1)

  await rm(join(machine.project, 'node_modules'), { recursive: true, force: true })
  const again = await machine.run(program, client.install)
  t.not(again.code, 0)
  t.match(said(again), /401|revoked|Invalid authentication/)
  const isClear = /has been revoked/.test(said(again).replaceAll(/\s+/g, ' '))
  report.note('refused', isClear ? 'yes' : 'status only')
}

function mint({ gateway }: NpmScene, client: NpmClient, scope: string, flag?: string): Promise<string> {
  return gateway.mint({ tenant: client.name, scopes: [scope], flags: flag === undefined ? [] : [flag] })
}
