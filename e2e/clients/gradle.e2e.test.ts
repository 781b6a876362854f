import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { programFor } from '../harness/program.ts'
import { generated } from '../harness/upstream.ts'
import { startFileServer, type FileServer } from './harness/file-server.ts'
import { newMachine, type Machine } from './harness/machine.ts'
import { addArtifact, named } from './harness/maven-repository.ts'
import { Report } from './harness/report.ts'
import { assertEndsWithKey } from './harness/revocation.ts'
import { startScene, type Scene } from './harness/scene.ts'
import {
  assertAllCounted,
  assertDone,
  assertKeysRefused,
  assertRefused,
  assertUsed,
  limitedKey,
  revokedKey,
  said,
} from './harness/trial.ts'

interface GradleScene extends Scene {
  readonly repository: FileServer
}

interface Trial {
  readonly machine: Machine
  readonly report: Report
}

const LARGE = 2_000_000

/** Fetches what `-Pasked=` names into a folder. */
const BUILD = `
configurations { wanted }
dependencies { add('wanted', 'com.example:' + project.property('asked')) }
task fetch(type: Copy) { from configurations.wanted; into 'fetched' }
`

async function gradleScene(t: Test): Promise<GradleScene> {
  const repository = await startFileServer(t)
  for (const name of ['demo', 'other', 'third']) addArtifact(repository, name, '1.0', Buffer.from(name))
  for (const name of ['large:2.0', 'held:1.0']) {
    const [artifact = '', version = ''] = name.split(':')
    addArtifact(repository, artifact, version, generated(0, LARGE))
  }
  return { ...(await startScene(t, { kind: 'maven', upstream: repository.url })), repository }
}

t.test('Gradle works through a gateway, set up as `waybill setup` says', async (t) => {
  const gradle = await programFor(t, 'gradle')
  if (gradle === null) return
  const scene = await gradleScene(t)
  const { db, gateway, repository } = scene
  const key = await gateway.mint({ tenant: 'gradle', scopes: ['maven:read'], flags: ['--create-tenant'] })
  const machine = await gradleMachine(t, scene, key)
  const { stdout } = await machine.run(gradle, ['--version'], { timeoutMs: 120_000 })
  const report = new Report('gradle', /Gradle (\S+)/.exec(stdout)?.[1] ?? '')
  report.note('setup')

  if (!assertDone(t, await fetch(machine, 'demo:1.0'), 'it resolves an artifact')) return
  t.equal(await readFile(join(machine.project, 'fetched/demo-1.0.jar'), 'utf8'), 'demo')
  report.note('install')
  report.note('login')

  await t.test('a broken download', async (t) => breakDownload(t, { machine, repository, report }))
  // Debian's Gradle has no way to publish over HTTP: "Cannot access ... using the available connector factories".
  report.note('publish', "not with Debian's package")
  await t.test('refusals', async (t) => refuse(t, scene, { machine, report }))

  await t.test('its key is revoked in a large download', (t) => endWithKey(t, scene, { machine, report }))

  const ours = { tenant: 'gradle', like: 'com.example%' }
  const used = ['demo:1.0', 'held:1.0', 'large:2.0'].map(named)
  const areUsed = await assertUsed(t, db, { ...ours, as: 'artifact' }, used)
  if (areUsed) report.note('identified')
  await assertAllCounted(t, db, [gateway], [repository])
})

/** Refreshed: it keeps in mind for a day what it did not find. */
function fetch(machine: Machine, artifact: string): ReturnType<Machine['run']> {
  const args = ['--console=plain', '--refresh-dependencies', `-Pasked=${artifact}`, 'fetch']
  return machine.run('gradle', args, { timeoutMs: 120_000 })
}

async function breakDownload(
  t: Test,
  { machine, repository, report }: Trial & { readonly repository: FileServer },
): Promise<void> {
  repository.cutOnce('/com/example/large/2.0/large-2.0.jar')
  const broken = await fetch(machine, 'large:2.0')
  if (broken.code !== 0) {
    t.match(said(broken), /Premature end|Could not (download|GET)/)
    assertDone(t, await fetch(machine, 'large:2.0'), 'the next run gets it whole')
  }
  t.ok(generated(0, LARGE).equals(await readFile(join(machine.project, 'fetched/large-2.0.jar'))))
  report.note('resume', broken.code === 0 ? 'starts again' : 'gives up; works when run again')
}

async function endWithKey(t: Test, scene: GradleScene, { machine, report }: Trial): Promise<void> {
  const { gateway, repository } = scene
  const key = await gateway.mint({ tenant: 'gradle', scopes: ['maven:read'] })
  await machine.setUp(gateway, 'gradle', 'maven', key)
  await assertEndsWithKey(t, scene, report, {
    key,
    strike: (fault) => repository.strike('/com/example/held/1.0/held-1.0.jar', fault),
    attempt: () => fetch(machine, 'held:1.0'),
    says: /Premature end of Content-Length delimited message body/,
  })
}

async function refuse(t: Test, { gateway }: GradleScene, { machine, report }: Trial): Promise<void> {
  const attempt = async (key: string, artifact: string): ReturnType<Machine['run']> => {
    await machine.setUp(gateway, 'gradle', 'maven', key)
    return fetch(machine, artifact)
  }
  const revoked = await revokedKey(gateway, 'gradle', 'maven:read')
  if (await assertKeysRefused(t, revoked, (key) => attempt(key, 'other:1.0'))) report.note('refused')
  const limited = await limitedKey(gateway, 'gradle', 'maven:read')
  if (assertRefused(t, await attempt(limited, 'third:1.0'), /rate limit/)) report.note('limited')
}

/** A machine whose Gradle keeps a process of its own between runs, ended on teardown. */
async function gradleMachine(t: Test, { gateway }: Scene, key: string): Promise<Machine> {
  const machine = await newMachine(t)
  // Java takes the home folder from the list of users.
  machine.env['GRADLE_USER_HOME'] = join(machine.home, '.gradle')
  machine.env['GRADLE_OPTS'] = `-Duser.home=${machine.home} -XX:TieredStopAtLevel=1`
  await machine.setUp(gateway, 'gradle', 'maven', key)
  // Should the test end without its teardown, the process ends soon after.
  await machine.write('gradle.properties', 'org.gradle.daemon.idletimeout=60000\n')
  await machine.write('settings.gradle', '')
  await machine.write('build.gradle', BUILD)
  t.teardown(async () => {
    const daemons = await readdir(join(machine.home, '.gradle/daemon')).catch(() => [])
    if (daemons.length > 0) await machine.run('gradle', ['--stop'])
  })
  return machine
}
