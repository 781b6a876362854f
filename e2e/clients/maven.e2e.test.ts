import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { programFor } from '../harness/program.ts'
import { generated } from '../harness/upstream.ts'
import { startFileServer, type FileServer } from './harness/file-server.ts'
import { assertAllByFront, startFronted, type Fronted } from './harness/fronted.ts'
import { newMachine, type Machine } from './harness/machine.ts'
import { addArtifact, named } from './harness/maven-repository.ts'
import { Report } from './harness/report.ts'
import { assertEndsWithKey } from './harness/revocation.ts'
import { startScene, type Scene, type SceneRoute } from './harness/scene.ts'
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

interface MavenScene extends Scene {
  readonly repository: FileServer
  readonly route: SceneRoute
}

/** Where Debian's packages put what Maven needs: its plugins and all that these need. */
const DEBIAN_REPOSITORY = '/usr/share/maven-repo'
const GET = 'org.apache.maven.plugins:maven-dependency-plugin:3.5.0:get'
const DEPLOY = 'org.apache.maven.plugins:maven-deploy-plugin:3.0.0:deploy-file'
const LARGE = 2_000_000

/** Debian's repository behind a gateway, with artifacts of our own in it. */
async function mavenScene(t: Test): Promise<MavenScene> {
  const repository = await startFileServer(t, { folder: DEBIAN_REPOSITORY })
  for (const name of ['demo', 'other', 'third']) addArtifact(repository, name, '1.0', Buffer.from(name))
  addArtifact(repository, 'large', '2.0', generated(0, LARGE))
  addArtifact(repository, 'held', '1.0', generated(0, LARGE))
  addArtifact(repository, 'changed', '1.0', Buffer.from('what was signed'))
  repository.files.set('/com/example/changed/1.0/changed-1.0.jar', Buffer.from('what arrives'))
  const route = { kind: 'maven', upstream: repository.url }
  return { ...(await startScene(t, route)), repository, route }
}

t.test('Maven works through a gateway, set up as `waybill setup` says', async (t) => {
  const mvn = await programFor(t, 'mvn')
  if (mvn === null) return
  const scene = await mavenScene(t)
  const { db, gateway, repository } = scene
  const key = await gateway.mint({ tenant: 'maven', scopes: ['maven:*'], flags: ['--create-tenant'] })
  const machine = await newMachine(t)
  // Java takes the home folder from the list of users.
  // At 429 Maven 3.8 waits longer and longer, and fails in the end whatever the answer then is: one short wait is enough.
  const backoff =
    '-Dmaven.wagon.httpconnectionManager.backoffSeconds=1 -Dmaven.wagon.httpconnectionManager.maxBackoffSeconds=1'
  machine.env['MAVEN_OPTS'] = `-Duser.home=${machine.home} -XX:TieredStopAtLevel=1 ${backoff}`
  await machine.setUp(gateway, 'maven', 'maven', key)
  const { stdout } = await machine.run(mvn, ['--version'])
  const report = new Report('maven', /Apache Maven (\S+)/.exec(stdout)?.[1] ?? '')
  report.note('setup')

  if (!assertDone(t, await get(machine, 'demo:1.0'), 'it resolves an artifact and the plugin for that'))
    return
  report.note('install')
  report.note('login')
  const changed = await get(machine, 'changed:1.0', '--strict-checksums')
  assertRefused(t, changed, /Checksum validation failed/)

  await t.test('a broken download', async (t) => breakDownload(t, { machine, repository, report }))
  await t.test('publishing', async (t) => publish(t, scene, { machine, report }))
  await t.test('refusals', async (t) => refuse(t, scene, { machine, report }))
  await t.test('its key is revoked in a large download', (t) => endWithKey(t, scene, { machine, report }))
  const fronted = await startFronted(t, scene, scene.route)
  await t.test('behind a front with TLS and a base path', (t) => tryFront(t, fronted, { machine, report }))

  const ours = { tenant: 'maven', like: 'com.example%' }
  const used = ['changed:1.0', 'demo:1.0', 'held:1.0', 'large:2.0'].map(named)
  const areUsed = await assertUsed(t, db, { ...ours, as: 'artifact' }, used)
  // The list of its versions is stored as well.
  const areUploaded = await assertUsed(t, db, { ...ours, as: 'upload' }, [
    named('mine:0.1'),
    { package: 'com.example/mine', version: null },
  ])
  const strangers = await db.query(
    `SELECT path FROM access_log WHERE path LIKE '%.jar' AND (package IS NULL OR version IS NULL OR artifact_kind NOT IN ('artifact', 'upload')) LIMIT 5`,
  )
  const areKnown = t.strictSame(strangers, [], 'each jar has its package and version')
  if (areUsed && areUploaded && areKnown) report.note('identified')
  await assertAllCounted(t, db, [gateway, fronted.gateway], [repository])
})

interface Trial {
  readonly machine: Machine
  readonly report: Report
}

async function mvn(machine: Machine, ...args: readonly string[]): ReturnType<Machine['run']> {
  return machine.run('mvn', ['-B', '-ntp', ...args], { timeoutMs: 120_000 })
}

async function get(
  machine: Machine,
  artifact: string,
  ...flags: readonly string[]
): ReturnType<Machine['run']> {
  return mvn(machine, GET, `-Dartifact=com.example:${artifact}`, '-Dtransitive=false', ...flags)
}

async function breakDownload(
  t: Test,
  { machine, repository, report }: Trial & { readonly repository: FileServer },
): Promise<void> {
  const path = '/com/example/large/2.0/large-2.0.jar'
  repository.cutOnce(path)
  const broken = await get(machine, 'large:2.0')
  if (broken.code === 0) {
    t.equal(repository.seen.filter((line) => line === `GET ${path}`).length, 2, 'it fetched it again')
    report.note('resume', 'starts again')
    return
  }
  t.match(said(broken), /Premature end|Could not transfer/)
  await rm(join(machine.home, '.m2/repository/com/example/large'), { recursive: true })
  assertDone(t, await get(machine, 'large:2.0'), 'the next run gets it whole')
  report.note('resume', 'gives up')
}

async function publish(t: Test, { gateway, repository }: MavenScene, trial: Trial): Promise<void> {
  const { machine, report } = trial
  await machine.write('mine.jar', 'mine')
  const target = [`-Durl=${gateway.proxyUrl}/maven/`, '-DrepositoryId=waybill']
  const what = ['-Dfile=mine.jar', '-DgroupId=com.example', '-DartifactId=mine', '-Dversion=0.1']
  if (!assertDone(t, await mvn(machine, DEPLOY, ...target, ...what), 'it deploys')) return
  const stored = repository.files.get('/com/example/mine/0.1/mine-0.1.jar')
  t.equal(Buffer.from(stored ?? []).toString(), 'mine')
  report.note('publish')
}

async function refuse(t: Test, { gateway }: MavenScene, { machine, report }: Trial): Promise<void> {
  const fetch = async (key: string, artifact: string): ReturnType<Machine['run']> => {
    await machine.setUp(gateway, 'maven', 'maven', key)
    return get(machine, artifact, '-U')
  }
  const revoked = await revokedKey(gateway, 'maven', 'maven:*')
  if (await assertKeysRefused(t, revoked, (key) => fetch(key, 'other:1.0'))) report.note('refused')
  // The first request of each artifact comes without credentials, and takes nothing from the rate.
  const limited = await limitedKey(gateway, 'maven', 'maven:*')
  if (assertRefused(t, await fetch(limited, 'third:1.0'), /429|Waited too long|rate limit/))
    report.note('limited', 'waits, then fails')
}

async function endWithKey(t: Test, scene: MavenScene, { machine, report }: Trial): Promise<void> {
  const { gateway, repository } = scene
  const key = await gateway.mint({ tenant: 'maven', scopes: ['maven:read'] })
  await machine.setUp(gateway, 'maven', 'maven', key)
  await assertEndsWithKey(t, scene, report, {
    key,
    strike: (fault) => repository.strike('/com/example/held/1.0/held-1.0.jar', fault),
    attempt: () => get(machine, 'held:1.0', '-U'),
    says: /Premature end of Content-Length delimited message body/,
  })
}

/** A machine that has the plugins already, and gets an artifact by the front's address. */
async function tryFront(t: Test, fronted: Fronted, { machine, report }: Trial): Promise<void> {
  const { front, gateway } = fronted
  const key = await gateway.mint({ tenant: 'front', scopes: ['maven:read'], flags: ['--create-tenant'] })
  await machine.setUp(gateway, 'maven', 'maven', key, front.url)
  const store = join(machine.home, 'trusted.p12')
  const password = ['-storepass', 'changeit', '-storetype', 'PKCS12']
  const trust = ['-importcert', '-noprompt', '-alias', 'front', '-file', front.caFile, '-keystore', store]
  assertDone(t, await machine.run('keytool', [...trust, ...password]), 'the authority is trusted')
  const trusted = ['-Djavax.net.ssl.trustStorePassword=changeit', `-Djavax.net.ssl.trustStore=${store}`]
  if (!assertDone(t, await get(machine, 'other:1.0', '-U', ...trusted), 'it resolves an artifact')) return
  await assertAllByFront(t, fronted)
  report.note('front')
}
