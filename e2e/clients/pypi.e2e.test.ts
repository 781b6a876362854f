import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { waitForEntries } from '../harness/accounting.ts'
import { programFor } from '../harness/program.ts'
import { assertAllByFront, startFronted, type Fronted } from './harness/fronted.ts'
import { newMachine, type Machine } from './harness/machine.ts'
import { makeWheel, startPythonRepository, type PythonRepository } from './harness/python-repository.ts'
import { Report } from './harness/report.ts'
import { assertEndsWithKey } from './harness/revocation.ts'
import { startScene, type LimitedScene, type SceneRoute } from './harness/scene.ts'
import {
  assertAllCounted,
  assertDone,
  assertKeysRefused,
  assertRefused,
  assertSlowed,
  assertUsed,
  limitedKey,
  revokedKey,
  said,
} from './harness/trial.ts'

interface PythonScene extends LimitedScene {
  readonly repository: PythonRepository
  readonly route: SceneRoute
}

const TOOL = '/packages/demo_tool-2.0.0-py3-none-any.whl'
const LARGE = 3_000_000
const LARGE_FILE = '/packages/demo_large-3.0-py3-none-any.whl'

/**
 * An index behind a gateway: `demo-tool` needs `demo-base`, `demo-large` is large. Its pages name files by addresses relative to the page,
 * by its own address, and at a files host.
 */
async function pythonScene(t: Test): Promise<PythonScene> {
  const repository = await startPythonRepository(t)
  await repository.add({ project: 'demo-base', version: '1.2.post1' }, 'files-host')
  await repository.add({ project: 'demo-tool', version: '2.0.0', requires: ['demo-base>=1'] }, 'relative')
  await repository.add({ project: 'demo-large', version: '3.0', ballast: LARGE }, 'absolute')
  const { index, files } = repository
  const route = { kind: 'pypi', upstream: index.url, files: [files.url] }
  return { ...(await startScene(t, route)), repository, route }
}

t.test('Python clients work through a gateway, set up as `waybill setup` says', async (t) => {
  const scene = await pythonScene(t)
  await t.test('pip', (t) => tryPip(t, scene))
  await t.test('twine', (t) => tryTwine(t, scene))
  await t.test('uv', (t) => tryUv(t, scene))
  const { db, gateway, repository, route } = scene
  const fronted = await startFronted(t, scene, route)
  await t.test('pip, behind a front with TLS and a base path', (t) => tryFront(t, fronted))
  await assertAllCounted(t, db, [gateway, fronted.gateway], [repository.index, repository.files])
})

async function tryPip(t: Test, scene: PythonScene): Promise<void> {
  const python = await programFor(t, 'python3')
  if (python === null) return
  const { gateway, db, repository } = scene
  const key = await gateway.mint({ tenant: 'pip', scopes: ['pypi:read'], flags: ['--create-tenant'] })
  const machine = await pipMachine(t, scene, key)
  const { stdout } = await machine.run(python, ['-m', 'pip', '--version'])
  const report = new Report('pip', stdout.split(' ')[1] ?? '')
  report.note('setup')

  const done = await pip(machine, 'install', '--target=lib', 'Demo.Tool==2.0.0')
  if (!assertDone(t, done, 'it installs a package and what that needs')) return
  const base = await readFile(join(machine.project, 'lib/demo_base/__init__.py'), 'utf8')
  t.match(base, '1.2.post1')
  report.note('install')
  report.note('login')
  const isIdentified = await assertUsed(t, db, { tenant: 'pip', as: 'artifact' }, [
    { package: 'demo-base', version: '1.2.post1' },
    { package: 'demo-tool', version: '2.0.0' },
  ])
  if (isIdentified) report.note('identified')

  await t.test('a file that was changed on the way is not installed', async (t) => {
    const bytes = repository.index.files.get(TOOL) ?? Buffer.alloc(0)
    repository.index.files.set(TOOL, Buffer.concat([bytes, Buffer.from('x')]))
    const other = await pipMachine(t, scene, key)
    assertRefused(t, await pip(other, 'download', '--no-deps', 'demo-tool'), /DO NOT MATCH THE HASHES/)
    repository.index.files.set(TOOL, bytes)
  })
  await t.test('a broken download', (t) => breakDownload(t, scene, { key, report }))
  await t.test('refusals', (t) => refusePip(t, scene, report))
  await t.test('its key is revoked in a large download', (t) => endWithKey(t, scene, report))
}

/** Breaks a large download off in its middle. pip 25.1 and newer go on where it broke. */
async function breakDownload(
  t: Test,
  scene: PythonScene,
  { key, report }: { readonly key: string; readonly report: Report },
): Promise<void> {
  const { index } = scene.repository
  const machine = await pipMachine(t, scene, key)
  index.cutOnce(LARGE_FILE)
  const broken = await pip(machine, 'download', '--no-deps', 'demo-large')
  const fetched = index.seen.filter((line) => line === `GET ${LARGE_FILE}`).length
  if (broken.code === 0) {
    t.equal(fetched, 2, 'it went on where the download broke')
    report.note('resume')
    return
  }
  t.match(said(broken), /IncompleteRead|Connection broken|DO NOT MATCH THE HASHES/)
  assertDone(t, await pip(machine, 'download', '--no-deps', 'demo-large'), 'the next run gets it whole')
  report.note('resume', 'gives up')
}

async function refusePip(t: Test, scene: PythonScene, report: Report): Promise<void> {
  const { gateway } = scene
  const revoked = await revokedKey(gateway, 'pip', 'pypi:read')
  const machine = await pipMachine(t, scene, revoked)
  const done = await pip(machine, 'download', '--no-deps', 'demo-tool')
  assertRefused(t, done, /401|No matching distribution/)
  // The index page is where pip says least; of a file that is named by its address it shows the sentence.
  const address = new URL(`${gateway.proxyUrl}/pypi${TOOL}`)
  address.username = 'waybill'
  const isRefused = await assertKeysRefused(t, revoked, (key) => {
    address.password = key
    return pip(machine, 'download', '--no-deps', address.href)
  })
  if (isRefused) report.note('refused', 'on files; not on an index page')
  await machine.setUp(gateway, 'pip', 'pypi', await limitedKey(gateway, 'pip', 'pypi:read'))
  const limited = await pip(machine, 'download', '--no-deps', '--retries=0', 'demo-tool')
  if (assertRefused(t, limited, /429|rate limit/)) report.note('limited')
  await assertSlowed(t, scene, { tenant: 'pip', scope: 'pypi:read' }, async (key) => {
    await machine.setUp(gateway, 'pip', 'pypi', key)
    return pip(machine, 'download', '--retries=0', '--no-cache-dir', 'demo-tool')
  })
}

async function endWithKey(t: Test, scene: PythonScene, report: Report): Promise<void> {
  const { gateway, repository } = scene
  const key = await gateway.mint({ tenant: 'pip', scopes: ['pypi:read'] })
  const machine = await pipMachine(t, scene, key)
  const address = new URL(`${gateway.proxyUrl}/pypi${LARGE_FILE}`)
  address.username = 'waybill'
  address.password = key
  // Before 25.1 it does not count bytes: a file without a hash is found to be no wheel.
  await assertEndsWithKey(t, scene, report, {
    key,
    strike: (fault) => repository.index.strike(LARGE_FILE, fault),
    attempt: () => pip(machine, 'download', '--no-deps', '--no-cache-dir', '--retries=0', address.href),
    says: /is invalid|IncompleteRead|Connection broken|incomplete/i,
  })
}

/** Pages name the front, whatever the index calls itself: the index and the files host see nobody but the gateway. */
async function tryFront(t: Test, fronted: Fronted): Promise<void> {
  if ((await programFor(t, 'python3')) === null) return
  const { front, gateway } = fronted
  const key = await gateway.mint({ tenant: 'front', scopes: ['pypi:read'], flags: ['--create-tenant'] })
  const machine = await newMachine(t)
  await machine.setUp(gateway, 'pip', 'pypi', key, front.url)
  Object.assign(machine.env, {
    PIP_CERT: front.caFile,
    PIP_DISABLE_PIP_VERSION_CHECK: '1',
    PIP_NO_INPUT: '1',
  })
  const { stdout } = await machine.run('python3', ['-m', 'pip', '--version'])
  const done = await pip(machine, 'download', 'demo-tool', 'demo-large')
  if (!assertDone(t, done, 'it downloads all of them')) return
  await assertAllByFront(t, fronted)
  new Report('pip', stdout.split(' ')[1] ?? '', 'front').note('front')
}

/** A machine on which pip asks nobody and does not look for newer pips. */
async function pipMachine(t: Test, { gateway }: LimitedScene, key: string): Promise<Machine> {
  const machine = await newMachine(t)
  await machine.setUp(gateway, 'pip', 'pypi', key)
  machine.env['PIP_DISABLE_PIP_VERSION_CHECK'] = '1'
  machine.env['PIP_NO_INPUT'] = '1'
  return machine
}

async function pip(machine: Machine, ...args: readonly string[]): ReturnType<Machine['run']> {
  return machine.run('python3', ['-m', 'pip', ...args])
}

async function tryTwine(t: Test, scene: PythonScene): Promise<void> {
  const twine = await programFor(t, 'twine')
  if (twine === null) return
  const { gateway, db, repository } = scene
  const key = await gateway.mint({ tenant: 'twine', scopes: ['pypi:*'], flags: ['--create-tenant'] })
  const machine = await newMachine(t)
  await machine.setUp(gateway, 'twine', 'pypi', key)
  const { stdout } = await machine.run(twine, ['--version'])
  const report = new Report('twine', /twine version (\S+)/.exec(stdout)?.[1] ?? '')
  report.note('setup')
  const wheel = await makeWheel(machine.project, { project: 'demo-mine', version: '0.1', ballast: LARGE })
  const upload = ['upload', '--non-interactive', '--disable-progress-bar', '--repository', 'waybill', wheel]
  if (!assertDone(t, await machine.run(twine, upload), 'it uploads')) return
  t.strictSame(repository.uploads, [`demo-mine 0.1 ${wheel}`])
  report.note('login')
  report.note('publish')
  await waitForEntries(db, 1, { where: `tenant = 'twine'` })
  const rows = await db.query(
    `SELECT ecosystem, package, version, artifact_kind FROM access_log WHERE tenant = 'twine'`,
  )
  t.strictSame(rows, [{ ecosystem: 'pypi', package: null, version: null, artifact_kind: 'upload' }])
  report.note('identified', 'as an upload; the body has the name')

  const attempt = async (as: string): ReturnType<Machine['run']> => {
    await machine.setUp(gateway, 'twine', 'pypi', as)
    return machine.run(twine, upload)
  }
  const reader = await gateway.mint({ tenant: 'twine', scopes: ['pypi:read'] })
  assertRefused(t, await attempt(reader), /This needs the scope pypi:write/)
  const revoked = await revokedKey(gateway, 'twine', 'pypi:*')
  if (await assertKeysRefused(t, revoked, attempt)) report.note('refused')
  const limited = await limitedKey(gateway, 'twine', 'pypi:*')
  assertDone(t, await attempt(limited), 'the first of a burst')
  if (assertRefused(t, await attempt(limited), /429.*rate limit/s)) report.note('limited')
}

/** Neither Debian 12 nor an npm package has it: it runs where somebody has put it. */
async function tryUv(t: Test, { gateway, db }: PythonScene): Promise<void> {
  const uv = await programFor(t, 'uv')
  if (uv === null) return
  const key = await gateway.mint({ tenant: 'uv', scopes: ['pypi:read'], flags: ['--create-tenant'] })
  const machine = await newMachine(t)
  await machine.setUp(gateway, 'uv', 'pypi', key)
  const { stdout } = await machine.run(uv, ['--version'])
  const report = new Report('uv', stdout.split(' ')[1] ?? '')
  const done = await machine.run(uv, ['pip', 'install', '--target=lib', 'demo-tool'])
  if (!assertDone(t, done, 'it installs a package and what that needs')) return
  for (const feature of ['setup', 'login', 'install'] as const) report.note(feature)
  const isIdentified = await assertUsed(t, db, { tenant: 'uv', as: 'artifact' }, [
    { package: 'demo-base', version: '1.2.post1' },
    { package: 'demo-tool', version: '2.0.0' },
  ])
  if (isIdentified) report.note('identified')
}
