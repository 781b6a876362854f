import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { testDatabase } from '../harness/database.ts'
import { startGateway, type TestGateway } from '../harness/gateway.ts'
import { programFor } from '../harness/program.ts'
import { generated } from '../harness/upstream.ts'
import { startAlternatingFront } from './harness/alternating-front.ts'
import { makeImage, startImageRegistry, type ImageRegistry } from './harness/image-registry.ts'
import { newMachine, type Machine } from './harness/machine.ts'
import { Report } from './harness/report.ts'
import type { Scene } from './harness/scene.ts'
import {
  assertAllCounted,
  assertDone,
  assertRefused,
  assertUsed,
  keyId,
  said,
  WRONG_KEY,
} from './harness/trial.ts'

/** Two gateways on one database, behind a front that gives each connection to the next. */
interface ImageScene extends Scene {
  readonly gateways: readonly TestGateway[]
  readonly registry: ImageRegistry
  /** Of the front. */
  readonly host: string
}

const CONTENT = generated(0, 1_000_000)

async function imageScene(t: Test, program: string): Promise<ImageScene> {
  const db = await testDatabase(t)
  const registry = await startImageRegistry(t, program)
  const front = await startAlternatingFront(t)
  const config = {
    publicUrl: front.url,
    routes: [{ name: 'images', kind: 'oci', path: '/v2/images/', upstream: `${registry.url}v2/` }],
    accessLog: { flushIntervalMs: 100 },
  }
  const gateway = await startGateway(t, { databaseUrl: db.url, config })
  const second = await startGateway(t, { databaseUrl: db.url, config })
  front.targets = [gateway.proxyUrl, second.proxyUrl]
  return { db, gateway, gateways: [gateway, second], registry, host: new URL(front.url).host }
}

t.test('clients of images work through two gateways in alternation', async (t) => {
  const program = await programFor(t, 'docker-registry')
  if (program === null) return
  const scene = await imageScene(t, program)
  await t.test('skopeo and podman', async (t) => tryPodman(t, scene))
  await t.test('docker', async (t) => tryDocker(t, scene))
  for (const helm of ['helm3', 'helm4']) await t.test(helm, async (t) => tryHelm(t, scene, helm))
  await assertAllCounted(t, scene.db, scene.gateways, [scene.registry])
})

/** A key that both gateways know. */
async function mint(scene: ImageScene, tenant: string): Promise<string> {
  const key = await scene.gateway.mint({ tenant, scopes: ['images:*'], flags: ['--create-tenant'] })
  return key
}

async function imageMachine(t: Test, scene: ImageScene, client: string, key: string): Promise<Machine> {
  const machine = await newMachine(t)
  // Without it, root's logins lie in /run, for everybody.
  machine.env['REGISTRY_AUTH_FILE'] = join(machine.home, 'auth.json')
  machine.env['CONTAINERS_STORAGE_CONF'] = await machine.write(
    'storage.conf',
    `[storage]\ndriver = "vfs"\ngraphroot = "${machine.home}/graph"\nrunroot = "${machine.home}/run"\n`,
  )
  await machine.setUp(scene.gateway, client, 'images', key, `http://${scene.host}`)
  return machine
}

/** Podman and skopeo share their logins. */
async function tryPodman(t: Test, scene: ImageScene): Promise<void> {
  const podman = await programFor(t, 'podman')
  const skopeo = await programFor(t, 'skopeo')
  if (podman === null || skopeo === null) return
  const { db, host } = scene
  const key = await mint(scene, 'skopeo')
  const machine = await imageMachine(t, scene, 'podman', key)
  const reports = [
    new Report('podman', (await machine.run(podman, ['--version'])).stdout.trim().split(' ')[2] ?? ''),
    new Report('skopeo', (await machine.run(skopeo, ['--version'])).stdout.trim().split(' ')[2] ?? ''),
  ] as const
  for (const report of reports) {
    report.note('setup')
    report.note('login')
  }
  const digest = await makeImage(join(machine.project, 'layout'), '1.0', CONTENT)
  const image = `docker://${host}/images/team/app:1.0`
  const push = await machine.run(skopeo, ['copy', '--dest-tls-verify=false', 'oci:layout:1.0', image])
  if (!assertDone(t, push, 'skopeo pushes')) return
  reports[1].note('publish')
  const pull = ['copy', '--src-tls-verify=false', image]
  assertDone(t, await machine.run(skopeo, [...pull, 'oci:pulled:1.0']), 'skopeo pulls')
  const index = await readFile(join(machine.project, 'pulled/index.json'), 'utf8')
  t.match(index, digest, 'the same image')
  reports[1].note('install')
  const pulled = await machine.run(podman, ['pull', '--tls-verify=false', `${host}/images/team/app:1.0`])
  if (assertDone(t, pulled, 'podman pulls')) reports[0].note('install')
  const isUsed = await assertUsed(t, db, { tenant: 'skopeo', as: 'artifact' }, [
    { package: 'app', version: null },
  ])
  const rows = await db.query<{ n: number }>(
    `SELECT count(DISTINCT instance)::int AS n FROM access_log WHERE tenant = 'skopeo'`,
  )
  t.equal(rows[0]?.n, 2, 'both gateways took part')
  if (isUsed) for (const report of reports) report.note('identified')

  const login = ['login', '--tls-verify=false', '--username', 'waybill', '--password-stdin', host]
  const wrong = await machine.run(podman, login, { input: WRONG_KEY })
  assertRefused(t, wrong, /invalid username\/password|is not valid/)
  assertDone(t, await machine.run(podman, login, { input: key }), 'podman logs in again')
  await scene.gateway.must('keys', 'revoke', keyId(key), '--wait')
  const refused = await machine.run(skopeo, [...pull, 'oci:refused:1.0'])
  if (assertRefused(t, refused, /has been revoked/)) reports[1].note('refused')
  const also = await machine.run(podman, ['pull', '--tls-verify=false', `${host}/images/team/app:1.0`])
  if (assertRefused(t, also, /has been revoked/)) reports[0].note('refused')
  t.notMatch(said(refused) + said(also), key.slice(16), 'the key is not printed')
}

async function tryDocker(t: Test, scene: ImageScene): Promise<void> {
  const docker = await programFor(t, 'docker')
  if (docker === null) return
  const machine = await imageMachine(t, scene, 'docker', await mint(scene, 'docker'))
  const { stdout } = await machine.run(docker, ['--version'])
  const report = new Report('docker', /version ([^,\s]+)/.exec(stdout)?.[1] ?? '')
  report.note('setup')
  report.note('login')
  const image = `${scene.host}/images/team/app:1.0`
  const shown = await machine.run(docker, ['manifest', 'inspect', '--insecure', image])
  assertDone(t, shown, 'it shows a manifest')
  t.match(shown.stdout, 'application/vnd.oci.image.manifest.v1+json')
  const login = ['login', '--username', 'waybill', '--password-stdin', scene.host]
  const wrong = await machine.run(docker, login, { input: WRONG_KEY })
  if (assertRefused(t, wrong, /not valid|401/))
    report.note('refused', /not valid/.test(said(wrong)) ? 'yes' : 'status only')
}

async function tryHelm(t: Test, scene: ImageScene, name: string): Promise<void> {
  const helm = await programFor(t, name)
  if (helm === null) return
  const { host, db } = scene
  const key = await mint(scene, name)
  const machine = await newMachine(t)
  const at = `http://${host}`
  await machine.alias('helm', helm)
  await machine.setUp(scene.gateway, 'helm', 'images', key, at)
  const { stdout } = await machine.run(helm, ['version', '--short'])
  const report = new Report(`${name}-oci`, stdout.trim().split('+')[0] ?? '')
  report.note('setup')
  report.note('login')
  await machine.write('chart/Chart.yaml', `apiVersion: v2\nname: ${name}-chart\nversion: 1.0.0+build.1\n`)
  assertDone(t, await machine.run(helm, ['package', 'chart']), 'it packs a chart')
  const place = `oci://${host}/images/charts`
  const file = `${name}-chart-1.0.0+build.1.tgz`
  assertDone(t, await machine.run(helm, ['push', '--plain-http', file, place]), 'it pushes')
  report.note('publish')
  const pull = ['pull', '--plain-http', `${place}/${name}-chart`, '--version', '1.0.0+build.1']
  const packed = await readFile(join(machine.project, file))
  await rm(join(machine.project, file))
  assertDone(t, await machine.run(helm, pull), 'it pulls')
  t.ok(
    packed.equals(await readFile(join(machine.project, `${name}-chart-1.0.0+build.1.tgz`))),
    'the same chart',
  )
  report.note('install')
  const isUsed = await assertUsed(t, db, { tenant: name, as: 'artifact' }, [
    { package: `${name}-chart`, version: null },
  ])
  if (isUsed) report.note('identified')
  await scene.gateway.must('keys', 'revoke', keyId(key), '--wait')
  const refused = await machine.run(helm, pull)
  if (assertRefused(t, refused, /has been revoked|401/))
    report.note('refused', /has been revoked/.test(said(refused)) ? 'yes' : 'status only')
}
