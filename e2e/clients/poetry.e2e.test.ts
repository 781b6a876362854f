import { readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { programFor } from '../harness/program.ts'
import { newMachine, type Machine } from './harness/machine.ts'
import { startPythonRepository, type PythonRepository } from './harness/python-repository.ts'
import { Report } from './harness/report.ts'
import { startScene, type Scene } from './harness/scene.ts'
import {
  assertAllCounted,
  assertDone,
  assertRefused,
  assertUsed,
  limitedKey,
  revokedKey,
  said,
  WRONG_KEY,
} from './harness/trial.ts'

interface PoetryScene extends Scene {
  readonly repository: PythonRepository
  readonly poetry: string
}

const TOOL = '/packages/demo_tool-2.0.0-py3-none-any.whl'
const LARGE = '/packages/demo_large-3.0-py3-none-any.whl'

t.test('Poetry works through a gateway, set up as `waybill setup` says', async (t) => {
  const poetry = await programFor(t, 'poetry')
  if (poetry === null) return
  const repository = await startPythonRepository(t)
  await repository.add({ project: 'demo-base', version: '1.2.post1' }, 'files-host')
  await repository.add({ project: 'demo-tool', version: '2.0.0', requires: ['demo-base>=1'] }, 'absolute')
  await repository.add({ project: 'demo-large', version: '3.0', ballast: 1_000_000 }, 'relative')
  const { index, files } = repository
  const route = { kind: 'pypi', upstream: index.url, files: [files.url] }
  const scene = { ...(await startScene(t, route)), repository, poetry }
  const { db, gateway } = scene
  const key = await gateway.mint({ tenant: 'poetry', scopes: ['pypi:*'], flags: ['--create-tenant'] })
  const machine = await poetryMachine(t, scene, key, 'demo-tool')
  const { stdout } = await machine.run(poetry, ['--version'])
  const report = new Report('poetry', /version (\d[^\s)]*)/.exec(stdout)?.[1] ?? '')
  report.note('setup')

  const done = await machine.run(poetry, INSTALL, SLOW)
  if (!assertDone(t, done, 'it installs a package and what that needs')) return
  const shown = await machine.run(poetry, [
    'run',
    'python',
    '-c',
    'import demo_base; print(demo_base.__version__)',
  ])
  t.match(shown.stdout, '1.2.post1')
  report.note('install')
  report.note('login')
  const isIdentified = await assertUsed(t, db, { tenant: 'poetry', as: 'artifact' }, [
    { package: 'demo-base', version: '1.2.post1' },
    { package: 'demo-tool', version: '2.0.0' },
  ])
  if (isIdentified) report.note('identified', 'downloads; a publish has the name in its body')

  await t.test('a file that was changed on the way is not installed', async (t) => {
    const bytes = index.files.get(TOOL) ?? Buffer.alloc(0)
    index.files.set(TOOL, Buffer.concat([bytes, Buffer.from('x')]))
    await forget(machine)
    assertRefused(
      t,
      await machine.run(poetry, INSTALL, SLOW),
      /Hash for demo-tool .* not found in known hashes/s,
    )
    index.files.set(TOOL, bytes)
  })
  await t.test('a broken download', (t) => breakDownload(t, scene, { key, report }))
  await t.test('publishing', (t) => publish(t, scene, { machine, report }))
  await t.test('refusals', (t) => refuse(t, scene, { machine, report }))
  await assertAllCounted(t, db, [gateway], [index, files])
})

const INSTALL = ['install', '--no-interaction', '--no-root']
const SLOW = { timeoutMs: 120_000 }

interface Trial {
  readonly machine: Machine
  readonly report: Report
}

async function breakDownload(
  t: Test,
  scene: PoetryScene,
  { key, report }: { readonly key: string; readonly report: Report },
): Promise<void> {
  const machine = await poetryMachine(t, scene, key, 'demo-large')
  // Without a document of its own, a wheel is read for what it needs already when versions are chosen.
  scene.repository.index.cutOnce(LARGE)
  const broken = await machine.run(scene.poetry, INSTALL, SLOW)
  if (broken.code === 0) {
    report.note('resume', 'starts again')
    return
  }
  t.match(said(broken), /IncompleteRead|Connection broken|not found in known hashes|File is not a zip file/)
  assertDone(t, await machine.run(scene.poetry, INSTALL, SLOW), 'the next run gets it whole')
  report.note('resume', 'gives up; works when run again')
}

async function publish(
  t: Test,
  { repository, poetry }: PoetryScene,
  { machine, report }: Trial,
): Promise<void> {
  await machine.write('app/__init__.py', '')
  const args = ['publish', '--build', '--no-interaction', '--repository', 'waybill']
  if (!assertDone(t, await machine.run(poetry, args, SLOW), 'it publishes')) return
  t.match(repository.uploads, ['app 0.1.0 app-0.1.0-py3-none-any.whl', 'app 0.1.0 app-0.1.0.tar.gz'])
  report.note('publish')
}

async function refuse(t: Test, scene: PoetryScene, { machine, report }: Trial): Promise<void> {
  const { gateway, poetry } = scene
  const attempt = async (key: string): ReturnType<Machine['run']> => {
    await machine.setUp(gateway, 'poetry', 'pypi', key)
    await forget(machine)
    return machine.run(poetry, INSTALL, SLOW)
  }
  const upload = ['publish', '--no-interaction', '--repository', 'waybill']
  const cases = [
    [WRONG_KEY, /The key that was sent is not valid/],
    [await revokedKey(gateway, 'poetry', 'pypi:*'), /has been revoked/],
  ] as const
  for (const [key, says] of cases) {
    const refused = await attempt(key)
    assertRefused(t, refused, /Authorization error accessing|401/)
    const published = await machine.run(poetry, upload, SLOW)
    if (assertRefused(t, published, says)) report.note('refused', 'on uploads; status only on an index page')
    t.notMatch(said(refused) + said(published), key.slice(16), 'the key is not printed')
  }
  const limited = await attempt(await limitedKey(gateway, 'poetry', 'pypi:read'))
  if (assertRefused(t, limited, /429|rate limit/)) report.note('limited')
}

/** A project that needs something; what `waybill setup` prints for `pyproject.toml` is added to it. */
async function poetryMachine(t: Test, { gateway }: Scene, key: string, needs: string): Promise<Machine> {
  const machine = await newMachine(t)
  await machine.setUp(gateway, 'poetry', 'pypi', key)
  const printed = machine.placeOf('pyproject.toml (to be added)')
  const source = await readFile(printed, 'utf8')
  await rename(printed, machine.placeOf('source.toml'))
  const head = '[tool.poetry]\nname = "app"\nversion = "0.1.0"\ndescription = ""\nauthors = []\n'
  const build = '[build-system]\nrequires = ["poetry-core"]\nbuild-backend = "poetry.core.masonry.api"\n'
  const dependencies = `[tool.poetry.dependencies]\npython = "^3.9"\n${needs} = "*"\n`
  // Poetry before 1.5, as `waybill setup` says.
  const old = source.replace('priority = "primary"', 'default = true')
  await writeFile(machine.placeOf('pyproject.toml'), [head, dependencies, old, build].join('\n'))
  return machine
}

/** Forgets what was installed and downloaded, but not the lock file. */
async function forget(machine: Machine): Promise<void> {
  await rm(join(machine.home, '.cache/pypoetry'), { recursive: true, force: true })
}
