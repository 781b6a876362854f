import { appendFile, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { assertAllStored } from '../harness/accounting.ts'
import { programFor } from '../harness/program.ts'
import type { Machine } from './harness/machine.ts'
import { machineFor, NPM_CLIENTS, type NpmClient } from './harness/npm-clients.ts'
import { npmScene, type NpmScene } from './harness/npm-scene.ts'
import { Report } from './harness/report.ts'
import { startTlsFront, type TlsFront } from './harness/tls-front.ts'
import { who } from './harness/who.ts'

t.test('behind a front with TLS, on a port of its own, with a base path', async (t) => {
  const front = await startTlsFront(t)
  const scene = await npmScene(t, { publicUrl: front.url, proxy: { trustedProxies: ['127.0.0.1'] } })
  front.leadTo(scene.gateway.proxyUrl)
  for (const client of NPM_CLIENTS) await t.test(client.name, (t) => tryClient(t, scene, front, client))
  t.strictSame(scene.guard.around, [], 'no request went around the gateway')
  await assertAllStored(t, scene.db, [scene.gateway], front.requests)
})

async function tryClient(t: Test, scene: NpmScene, front: TlsFront, client: NpmClient): Promise<void> {
  const program = await programFor(t, client.name)
  if (program === null) return
  const { gateway } = scene
  const key = await gateway.mint({ tenant: client.name, scopes: ['npm:read'], flags: ['--create-tenant'] })
  const dependencies = { 'acme-tool': '^2.0.0' }
  const machine = await machineFor(t, gateway, client, { key, dependencies, url: front.url })
  await trust(machine, client, front)
  const installed = await machine.run(program, client.install)
  t.equal(installed.code, 0, 'it installs', installed)
  const lock = await readFile(join(machine.project, client.lockFile), 'utf8')
  // Yarn 4 and pnpm write no addresses that follow from the name.
  if (client.name === 'npm' || client.name === 'yarn1') {
    t.match(
      lock,
      `${front.url}npm/acme-tool/-/acme-tool-2.0.0.tgz`,
      'the lock file has the address of the front',
    )
  }
  t.match(await who(gateway, 'pkg:npm/acme-tool@2.0.0', client.name), { download: 1 })
  t.match(await who(gateway, 'pkg:npm/%40acme/base@1.2.3', client.name), { download: 1 })
  const version = (await machine.run(program, ['--version'])).stdout.trim().split('\n')[0] ?? ''
  if (installed.code === 0) new Report(client.name, version, 'front').note('front')
}

/** Where a client is told of an authority: of those that have a setting, NODE_EXTRA_CA_CERTS is not enough if a global one names a file. */
const TRUST: Readonly<Record<string, (caFile: string) => readonly [file: string, line: string]>> = {
  npm: (caFile) => ['.npmrc', `cafile=${caFile}\n`],
  pnpm: (caFile) => ['.npmrc', `cafile=${caFile}\n`],
  yarn1: (caFile) => ['.yarnrc', `cafile ${JSON.stringify(caFile)}\n`],
  yarn: (caFile) => ['.yarnrc.yml', `httpsCaFilePath: ${JSON.stringify(caFile)}\n`],
}

async function trust(machine: Machine, client: NpmClient, { caFile }: TlsFront): Promise<void> {
  machine.env['NODE_EXTRA_CA_CERTS'] = caFile
  const [file, line] = TRUST[client.name]?.(caFile) ?? []
  if (file !== undefined && line !== undefined) await appendFile(machine.placeOf(`~/${file}`), line)
}
