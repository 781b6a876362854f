import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { programFor } from '../harness/program.ts'
import { sha256, startFileServer, type FileServer } from './harness/file-server.ts'
import { newMachine, type Machine } from './harness/machine.ts'
import { Report } from './harness/report.ts'
import { startScene, type Scene } from './harness/scene.ts'
import {
  assertAllCounted,
  assertDone,
  assertKeysRefused,
  assertRefused,
  assertUsed,
  limitedKey,
  revokedKey,
  type Used,
} from './harness/trial.ts'
import { who } from './harness/who.ts'

interface HelmScene extends Scene {
  readonly repository: FileServer
}

const VERSION = '1.0.0+build.1'

t.test('helm works with a chart repository behind a gateway, set up as `waybill setup` says', async (t) => {
  const repository = await startFileServer(t)
  const scene = { ...(await startScene(t, { kind: 'helm', upstream: repository.url })), repository }
  for (const name of ['helm3', 'helm4']) await t.test(name, async (t) => tryHelm(t, scene, name))
  await assertAllCounted(t, scene.db, [scene.gateway], [repository])
})

/** A chart of a client's own, at an address that the index names in full. Returns its file's bytes. */
async function addChart(
  machine: Machine,
  helm: string,
  { files, url }: FileServer,
  name: string,
): Promise<Buffer> {
  await machine.write(`${name}/Chart.yaml`, `apiVersion: v2\nname: ${name}\nversion: ${VERSION}\n`)
  const packed = await machine.run(helm, ['package', name])
  if (packed.code !== 0) throw new Error(packed.stderr)
  const file = `${name}-${VERSION}.tgz`
  const bytes = await readFile(join(machine.project, file))
  await rm(join(machine.project, file))
  files.set(`/charts/${file}`, bytes)
  const chart = {
    apiVersion: 'v2',
    name,
    version: VERSION,
    digest: sha256(bytes),
    urls: [`${url}charts/${file}`],
  }
  // JSON is YAML.
  const index = { apiVersion: 'v1', entries: { [name]: [chart] }, generated: '2020-01-01T00:00:00Z' }
  files.set('/index.yaml', Buffer.from(JSON.stringify(index)))
  return bytes
}

async function tryHelm(t: Test, scene: HelmScene, client: string): Promise<void> {
  const helm = await programFor(t, client)
  if (helm === null) return
  const { db, gateway, repository } = scene
  const key = await gateway.mint({ tenant: client, scopes: ['helm:read'], flags: ['--create-tenant'] })
  const machine = await newMachine(t)
  await machine.alias('helm', helm)
  const { stdout } = await machine.run(helm, ['version', '--short'])
  const report = new Report(client, stdout.trim().split('+')[0] ?? '')
  const name = `${client}-chart`
  const bytes = await addChart(machine, helm, repository, name)
  await machine.setUp(gateway, 'helm', 'helm', key)
  report.note('setup')
  report.note('login')

  const pull = ['pull', `helm/${name}`, '--version', VERSION]
  const file = `${name}-${VERSION}.tgz`
  repository.cutOnce(`/charts/${file}`)
  assertRefused(t, await machine.run(helm, pull), /EOF/)
  report.note('resume', 'gives up; works when run again')
  if (!assertDone(t, await machine.run(helm, pull), 'it pulls')) return
  t.ok(bytes.equals(await readFile(join(machine.project, file))), 'the same chart')
  report.note('install')
  const chart: Used = { package: name, version: VERSION }
  const isUsed = await assertUsed(t, db, { tenant: client, as: 'artifact' }, [chart])
  const used = await who(gateway, `pkg:helm/${name}@1.0.0%2Bbuild.1`, client)
  if (isUsed && t.strictSame(used, { download: 1, partial: 1 })) report.note('identified')

  await t.test('refusals', async (t) => {
    const add = [
      'repo',
      'add',
      'refused',
      `${gateway.proxyUrl}/helm/`,
      '--username=waybill',
      '--password-stdin',
    ]
    const revoked = await revokedKey(gateway, client, 'helm:read')
    const isRefused = await assertKeysRefused(t, revoked, (input) => machine.run(helm, add, { input }))
    if (isRefused) report.note('refused')
    // Two times the index, as `setup` adds and updates; then the chart.
    await machine.run(helm, ['repo', 'remove', 'helm'])
    await machine.setUp(gateway, 'helm', 'helm', await limitedKey(gateway, client, 'helm:read', 2))
    if (assertRefused(t, await machine.run(helm, pull), /rate limit/)) report.note('limited')
  })
}
